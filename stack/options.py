"""The options of a stack (ports, consumers), remembered in its state folder for later commands."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from stack.errors import SettingError
from stack.folder import StateFolder
from stack.parts import is_running
from stack.ports import SERVER_PORTS, are_free, free_ports, taken_ports

# They differ in the last two digits: stacks whose ports are 100 apart share none.
_APPLICATION_PORTS = {"api": 8000, "management": 29420, "reconciler": 29410, "monitor": 29430}
_FIRST_CONSUMER_PORT = 29400
_REMEMBERED = "stack"
_BLOCK = 100
_BLOCKS = 20

FIRST_FREE = "first-free"


@dataclass(frozen=True)
class StackOptions:
    """ports: by the name of what listens there. consumers: the number of consumer processes."""

    ports: Mapping[str, int]
    consumers: int
    servers_only: bool

    @property
    def consumer_names(self) -> list[str]:
        return [f"consumer-{number}" for number in range(1, self.consumers + 1)]


def remember(folder: StateFolder, options: StackOptions | None) -> None:
    """Keep the options for the next command; None: forget that the stack was started."""
    folder.remember(_REMEMBERED, options and asdict(options))


def remembered(folder: StateFolder) -> StackOptions | None:
    """The options of the last `coupon up`; None: there was none."""
    kept = folder.recall(_REMEMBERED)
    if not kept:
        return None
    # A stack that an older version started lacks the ports of newer parts.
    ports = {**_in_same_block(kept["ports"], default_ports(kept["consumers"])), **kept["ports"]}
    return StackOptions(**{**kept, "ports": ports})


def existing(folder: StateFolder) -> StackOptions:
    """The remembered options. Raises SettingError where no stack was ever started."""
    options = remembered(folder)
    if options is None:
        raise SettingError(
            f"there is no stack in {folder.path}: start one with `coupon up`, "
            "name its folder with --state or COUPON_STATE_DIR, "
            "or set COUPON_DATABASE_URL and the other endpoints"
        )
    return options


def choose(
    folder: StateFolder,
    ports: str | None,
    single: Mapping[str, int],
    consumers: int | None,
    servers_only: bool,
) -> StackOptions:
    """The options of this call, else the remembered ones, else the defaults.

    ports: `auto` for free ports, `+N` for the defaults plus N, None for the remembered ones.
    `first-free` for the remembered ones; the first time, or when the stack is down and another
    program uses one of them, for the first free block of ports: the defaults, or a multiple of 100
    above them. single: ports by name, which override all others. Raises SettingError for a name
    that does not exist, a number out of range, or another port for a part that runs.
    """
    last = remembered(folder)
    consumers = consumers or (last.consumers if last else 1)
    defaults = default_ports(consumers)
    if unknown := single.keys() - defaults.keys():
        raise SettingError(f"no part is called {unknown.pop()}: there are {', '.join(defaults)}")
    kept = _kept_ports(folder, last, ports) if last else {}
    base = _in_same_block(kept, defaults) if kept else _base_ports(ports, defaults)
    chosen = {**base, **kept, **single}
    chosen = {name: chosen[name] for name in defaults}
    for name, port in chosen.items():
        if not 1 <= port <= 65535:
            raise SettingError(f"port {port} for {name} is not between 1 and 65535")
    if last:
        _refuse_moves(folder, last.ports, chosen)
    return StackOptions(chosen, consumers, servers_only)


def why_moved(before: StackOptions | None, chosen: StackOptions) -> str | None:
    """The message for a stack that moved to another block, because its ports were taken.

    before: the remembered options. None: the stack did not move, or no port was taken.
    """
    if before is None or chosen.ports["postgres"] == before.ports["postgres"]:
        return None
    taken = sorted(before.ports[name] for name in taken_ports(before.ports))
    if not taken:
        return None
    offset = chosen.ports["postgres"] - SERVER_PORTS["postgres"]
    which = ", ".join(str(port) for port in taken)
    some = f"Ports {which} are" if len(taken) > 1 else f"Port {which} is"
    return (
        f"{some} taken by another program: this stack is now on ports {offset:+}."
        ' In open shells run `eval "$(coupon env)"` again.'
    )


def _kept_ports(folder: StateFolder, last: StackOptions, ports: str | None) -> Mapping[str, int]:
    """The remembered ports, if they are used again."""
    if ports not in (None, FIRST_FREE):
        return {}
    if ports == FIRST_FREE and not _any_part_runs(folder) and not are_free(last.ports):
        return {}
    return last.ports


def _any_part_runs(folder: StateFolder) -> bool:
    return any(is_running(folder.part(name)) for name in folder.part_names())


def _in_same_block(kept: Mapping[str, int], defaults: Mapping[str, int]) -> dict[str, int]:
    """Ports in the same block as the kept ones; free ports when these form no block."""
    offsets = {port - defaults[name] for name, port in kept.items() if name in defaults}
    if len(offsets) == 1:
        return _shifted(defaults, offsets.pop())
    return free_ports(defaults)


def default_ports(consumers: int) -> dict[str, int]:
    """The default port of everything that listens."""
    each = {f"consumer-{n + 1}": _FIRST_CONSUMER_PORT + n for n in range(consumers)}
    return {**SERVER_PORTS, **_APPLICATION_PORTS, **each}


def _base_ports(ports: str | None, defaults: Mapping[str, int]) -> dict[str, int]:
    if ports == "auto":
        return free_ports(defaults)
    if ports == FIRST_FREE:
        return _first_free_block(defaults)
    return _shifted(defaults, int(ports) if ports else 0)


def _first_free_block(defaults: Mapping[str, int]) -> dict[str, int]:
    """Two copies of the project run at the same time without options for ports."""
    for offset in range(0, _BLOCKS * _BLOCK, _BLOCK):
        ports = _shifted(defaults, offset)
        if are_free(ports):
            return ports
    raise SettingError(
        f"none of {_BLOCKS} blocks of ports from {min(defaults.values())} on is free: "
        "choose ports with --ports auto"
    )


def _shifted(defaults: Mapping[str, int], offset: int) -> dict[str, int]:
    return {name: port + offset for name, port in defaults.items()}


def _refuse_moves(
    folder: StateFolder, before: Mapping[str, int], chosen: Mapping[str, int]
) -> None:
    for name, port in before.items():
        if chosen.get(name, port) != port and is_running(folder.part(name)):
            raise SettingError(
                f"{name} runs on port {port}: stop the stack with `coupon down` before you move it"
            )
