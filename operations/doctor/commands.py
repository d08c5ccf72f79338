"""Commands of the embedded stack in findings, and what to do where there is no such stack."""

from typing import Self

from operations.doctor.findings import Section

AGAIN = "then `coupon doctor` again"

_SERVERS = {
    Section.POSTGRES_DOWN: "Postgres",
    Section.REDIS_DOWN: "Redis",
    Section.KAFKA_DOWN: "Kafka",
    Section.CONNECT_DOWN: "Kafka Connect",
    Section.REGISTRY_DOWN: "the schema registry",
    Section.PART_DOWN: "the API",
    Section.CONSUMER_DOWN: "a consumer",
    Section.RECONCILER_DOWN: "the reconciler",
}


class StackCommand(str):
    """A command that works on the embedded stack only.

    elsewhere: what to do, in words, where the system runs as containers or services.
    """

    elsewhere: str

    def __new__(cls, command: str, elsewhere: str) -> Self:
        made = super().__new__(cls, command)
        made.elsewhere = elsewhere
        return made


def start(what: str) -> StackCommand:
    """Start what is down."""
    return StackCommand("coupon up", f"start {what} where it runs, {AGAIN}")


def restart(part: str, what: str) -> StackCommand:
    """Restart what runs and does not do its work."""
    return StackCommand(f"coupon restart {part}", f"restart {what} where it runs, {AGAIN}")


def read_log(part: str, what: str) -> StackCommand:
    """Read what a part wrote."""
    return StackCommand(f"coupon logs {part}", f"read the log of {what} where it runs")


def check_server(section: Section) -> StackCommand:
    """See whether the server that this section is about works."""
    server = _SERVERS.get(section, "that server")
    return StackCommand("coupon status", f"see whether {server} works where it runs")


def resolve(section: Section) -> StackCommand:
    """For a state in which a check could not do its work."""
    if section is Section.NOT_PREPARED:
        return StackCommand("coupon up", "coupon migrate --help")
    if section in _SERVERS:
        return start(_SERVERS[section])
    return StackCommand("coupon up", f"repair that where it runs, {AGAIN}")
