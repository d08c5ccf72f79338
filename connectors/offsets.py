"""The offsets that Kafka Connect keeps for the connector: how far it has read the WAL."""

from connectors.connect import Connect


def read_offset(connect: Connect, name: str) -> int | None:
    """The WAL position (LSN) of the last row streamed; None when Connect has no offsets.

    Raises ConnectorError.
    """
    answer = connect.call("GET", f"/connectors/{name}/offsets")
    offsets = answer["offsets"] if answer else []
    return offsets[0]["offset"].get("lsn") if offsets else None


def forget_offsets(connect: Connect, name: str) -> None:
    """Delete the offsets of a stopped connector: it resumes from its replication slot.

    Raises ConnectorError.
    """
    connect.call("DELETE", f"/connectors/{name}/offsets")
