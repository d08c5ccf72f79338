"""Faults of the network between a process and a server."""

from chaos.faults.fault import Fault
from chaos.link import Link
from chaos.target import Target

BREAKS = 12
"""Requests or responses in a row that are lost."""


def network_faults(target: Target) -> list[Fault]:
    """Four faults for each link of the target."""
    return [fault for name, link in target.links.items() for fault in _link_faults(name, link)]


def _link_faults(name: str, link: Link) -> list[Fault]:
    return [
        Fault(f"cut {name}", f"connections from {name} are cut", link.cut, link.restore),
        Fault(
            f"lose answers {name}",
            f"connections from {name} break before the response arrives: the request took effect",
            lambda: link.break_next(BREAKS, "answers"),
            link.restore,
        ),
        Fault(
            f"lose requests {name}",
            f"connections from {name} break before the request arrives: it has no effect",
            lambda: link.break_next(BREAKS, "requests"),
            link.restore,
        ),
        Fault(f"silence {name}", f"no response arrives from {name}", link.silence, link.restore),
    ]
