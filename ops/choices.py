"""What a person chose for a stack, remembered in its state folder for later commands."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from stack.embedded import SERVER_PORTS
from stack.errors import SettingError
from stack.folder import StateFolder
from stack.parts import is_running
from stack.ports import check_free, free_ports

# Apart in their last two digits: stacks whose ports are a multiple of 100 apart never meet.
_APPLICATION_PORTS = {"api": 8000, "management": 29420, "reconciler": 29410}
_FIRST_CONSUMER_PORT = 29400
_REMEMBERED = "stack"
_BLOCK = 100
_BLOCKS = 20

FIRST_FREE = "first-free"


@dataclass(frozen=True)
class Choices:
    """`ports` by the name of what listens there; `consumers` is how many consumer processes run."""

    ports: Mapping[str, int]
    consumers: int
    servers_only: bool

    @property
    def consumer_names(self) -> list[str]:
        return [f"consumer-{number}" for number in range(1, self.consumers + 1)]


def remember(folder: StateFolder, choices: Choices) -> None:
    """Keeps the choices for the next command."""
    folder.remember(_REMEMBERED, asdict(choices))


def remembered(folder: StateFolder) -> Choices | None:
    """The choices of the last `coupon up`, None if there was none."""
    kept = folder.recall(_REMEMBERED)
    return Choices(**kept) if kept else None


def existing(folder: StateFolder) -> Choices:
    """The remembered choices; SettingError where no stack was ever started."""
    choices = remembered(folder)
    if choices is None:
        raise SettingError(
            f"there is no stack in {folder.path}: start one with `coupon up`, "
            "name its folder with --state or COUPON_STATE_DIR, "
            "or set COUPON_DATABASE_URL and the other addresses"
        )
    return choices


def choose(
    folder: StateFolder,
    ports: str | None,
    single: Mapping[str, int],
    consumers: int | None,
    servers_only: bool,
) -> Choices:
    """Joins what was asked for now with what is remembered, and that with the defaults.

    ports: `auto` for free ports, `+N` for the defaults plus N, None for the remembered ones;
    `first-free` for the remembered ones, and the first time for the defaults or the first whole
    block of ports a multiple of 100 above them that nobody listens on.
    single: ports by name, which go before everything else. Raises SettingError for a name that
    does not exist, a number out of range, or another port for a part that runs.
    """
    last = remembered(folder)
    consumers = consumers or (last.consumers if last else 1)
    defaults = _default_ports(consumers)
    if unknown := single.keys() - defaults.keys():
        raise SettingError(f"no part is called {unknown.pop()}: there are {', '.join(defaults)}")
    kept = last.ports if last and ports in (None, FIRST_FREE) else {}
    chosen = {**_base_ports(ports, defaults), **kept, **single}
    chosen = {name: chosen[name] for name in defaults}
    for name, port in chosen.items():
        if not 1 <= port <= 65535:
            raise SettingError(f"port {port} for {name} is not between 1 and 65535")
    if last:
        _refuse_moves(folder, last.ports, chosen)
    return Choices(chosen, consumers, servers_only)


def _default_ports(consumers: int) -> dict[str, int]:
    each = {f"consumer-{n + 1}": _FIRST_CONSUMER_PORT + n for n in range(consumers)}
    return {**SERVER_PORTS, **_APPLICATION_PORTS, **each}


def _base_ports(ports: str | None, defaults: Mapping[str, int]) -> dict[str, int]:
    if ports == "auto":
        return free_ports(defaults)
    if ports == FIRST_FREE:
        return _first_free_block(defaults)
    return _shifted(defaults, int(ports) if ports else 0)


def _first_free_block(defaults: Mapping[str, int]) -> dict[str, int]:
    """Two copies of the project can run side by side without anybody choosing ports."""
    for offset in range(0, _BLOCKS * _BLOCK, _BLOCK):
        ports = _shifted(defaults, offset)
        try:
            check_free(ports)
        except SettingError:
            continue
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
