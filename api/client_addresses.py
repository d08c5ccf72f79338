"""The address that a request comes from, as it is counted, also behind proxies."""

from collections.abc import Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from granian.rsgi import Scope

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address

_FORWARDED = "x-forwarded-for"
_NETWORK_BITS = 64
"""Of an IPv6 address: a household has at least so large a network, and all addresses in it."""


def parse_networks(texts: Sequence[str]) -> list[Network]:
    """The networks of these texts, such as `10.0.0.0/8`; an address alone is one.

    Raises ValueError.
    """
    networks = []
    for text in texts:
        try:
            network = ip_network(text)
        except ValueError as error:
            raise ValueError(
                f"{text!r} is no network: write an address, or one with a prefix, such as"
                f" 10.0.0.0/8 ({error})"
            ) from None
        if network.prefixlen == 0:
            raise ValueError(f"{text!r} trusts everybody, who could then name any address")
        networks.append(network)
    return networks


class ClientAddresses:
    """Finds the address that a request is counted for.

    trusted: networks of the proxies that add the address of their client to X-Forwarded-For, as the
    last one. What stands before that may be invented. Without proxies nothing of it is believed.
    """

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted

    def of(self, scope: "Scope") -> str:
        """An IPv4 address, or the network of an IPv6 address, such as `2001:db8:0:7::/64`."""
        client = _address(scope.client)
        if client is None:
            return "unknown"
        for text in _from_the_last(scope):
            if not any(client in network for network in self._trusted):
                break
            before = _address(text)
            if before is None:
                break
            client = before
        return _counted(client)


def _from_the_last(scope: "Scope") -> Iterator[str]:
    """The addresses of X-Forwarded-For, which may be several headers, the last one first."""
    for name, value in reversed(scope.headers.items()):
        if name == _FORWARDED:
            yield from reversed(value.split(","))


def _address(text: str) -> _Address | None:
    """The address of `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` or `[::1]:80`; None: it is none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _counted(address: _Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    outside = 128 - _NETWORK_BITS
    return f"{IPv6Address(int(address) >> outside << outside)}/{_NETWORK_BITS}"
