"""Where a sink may be: an address of the public internet, unless a network was allowed by name.

A URL that points inside makes the platform a tool for looking inside: the cloud's metadata service
hands out credentials to whoever asks from here. What counts is the address that is connected to,
so a name that resolves to another one the second time gains nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# IPv4 seen through a translator of the network's own (RFC 6052, RFC 8215).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")


class AddressRefused(HTTPError):
    """The host is at an address that nothing is told to."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which addresses may be connected to: public ones, and these networks."""

    allowed: tuple[Network, ...] = ()
    resolve: Callable[..., Iterable[tuple]] = socket.getaddrinfo

    def admits(self, text: str) -> bool:
        """Whether the address may be connected to."""
        # A link-local address names its interface behind a percent sign.
        address = ipaddress.ip_address(text.partition("%")[0])
        return is_public(address) or any(
            address in network for network in self.allowed if network.version == address.version
        )

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """A connection to the first admitted address of a host that answers.

        Raises:
            AddressRefused: It has none, or the peer is another one.
            OSError: None answers, or the name is unknown.
        """
        found = dict.fromkeys(
            each[4][0] for each in self.resolve(host, port, type=socket.SOCK_STREAM)
        )
        admitted = [address for address in found if self.admits(address)]
        if not admitted:
            raise AddressRefused(
                f"resolves to {', '.join(found)}, which is no public address; "
                "`allow` its network if the sink is your own"
            )
        for at, address in enumerate(admitted, start=1):
            try:
                return self.checked(socket.create_connection((address, port), timeout=timeout))
            except OSError:
                if at == len(admitted):
                    raise
        raise AssertionError("unreachable: the last address returns or raises")

    def checked(self, connected: socket.socket) -> socket.socket:
        """The same connection, if its peer is one that is admitted.

        Raises:
            AddressRefused: It is not; the connection is closed.
        """
        peer = connected.getpeername()[0]
        if self.admits(peer):
            return connected
        connected.close()
        raise AddressRefused(f"the peer is {peer}, which is no public address")


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet, and what it wraps as well."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        wrapped = address.ipv4_mapped or address.sixtofour
        if wrapped is not None:
            return is_public(wrapped)
        if address.teredo or address in _NAT64_LOCAL or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class ReachedConnection(HTTPSConnection):
    """A connection that goes where its reach admits; certificates are of the host's name."""

    def __init__(self, *args: Any, reach: Reach, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reach = reach

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, int | float) else None
        return self._reach.connect(self.host, self.port or 443, timeout)


class ReachedPool(HTTPSConnectionPool):
    """Connections to one host within a reach: `ReachedPool(host, port, reach=...)`."""

    ConnectionCls = ReachedConnection  # pyright: ignore[reportAssignmentType]  as urllib3's own
