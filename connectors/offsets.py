"""The offsets that Kafka Connect keeps for the connector: how far it has read the WAL."""

from collections.abc import Mapping

from connectors.connect import Connect


def read_offset(connect: Connect, name: str) -> int | None:
    """How far the connector has read the WAL (LSN); None when Connect has no offsets.

    Raises ConnectorError.
    """
    answer = connect.call("GET", f"/connectors/{name}/offsets")
    offsets = answer["offsets"] if answer else []
    return position_of(offsets[0]["offset"]) if offsets else None


def position_of(offset: Mapping[str, object]) -> int | None:
    """The last commit that was streamed, or the last row, whichever is later in the WAL.

    Transactions are streamed in the order of their commits, and their rows lie in the WAL in the
    order in which they were written. So the last row may lie before the commit of a transaction
    that was streamed earlier, and Debezium has confirmed the slot up to that commit.
    """
    found = [offset.get("lsn"), offset.get("lsn_commit")]
    return max((lsn for lsn in found if isinstance(lsn, int)), default=None)


def forget_offsets(connect: Connect, name: str) -> None:
    """Delete the offsets of a stopped connector: it resumes from its replication slot.

    Raises ConnectorError.
    """
    connect.call("DELETE", f"/connectors/{name}/offsets")
