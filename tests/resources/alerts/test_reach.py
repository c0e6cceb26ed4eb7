"""Where messages may go: the public internet by the address that is connected to."""

import ipaddress
import socket
from collections.abc import Callable

import pytest

from resources.alerts.reach import AddressRefused, Reach

# Metadata services, private networks, and the ways to write them otherwise.
INSIDE = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "fd00:ec2::254",
    "100.100.100.200",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "::169.254.169.254",
    "0.0.0.0",
    "::",
    "127.0.0.1",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
OUTSIDE = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822",
           "::ffff:93.184.216.34"]  # fmt: skip


def resolving(*rounds: list[str]) -> Callable[..., list[tuple]]:
    """A resolver that answers each round with other addresses, the last one for ever."""
    answers = [*rounds]

    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return resolve


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused_however_it_is_written(address: str) -> None:
    reach = Reach(resolve=resolving([address]))
    with pytest.raises(AddressRefused, match=r"resolves to .*, which is no public address"):
        reach.connect("hooks", 443, 1)


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_address_is_admitted(address: str) -> None:
    assert Reach().admits(address)


def test_a_network_that_is_allowed_is_admitted_and_no_other() -> None:
    reach = Reach(allowed=(ipaddress.ip_network("10.1.0.0/16"),))
    assert reach.admits("10.1.2.3")
    assert not reach.admits("10.2.0.1") and not reach.admits("169.254.169.254")


def test_a_name_that_resolves_to_another_address_the_second_time_gains_nothing() -> None:
    """The first answer is what is connected to; there is no second question behind the check."""
    with socket.create_server(("127.0.0.1", 0)) as inside:
        port = inside.getsockname()[1]
        inside.settimeout(0)
        # 127.0.0.2, where nothing listens, stands for the public address of the first answer.
        reach = Reach(
            allowed=(ipaddress.ip_network("127.0.0.2/32"),),
            resolve=resolving(["127.0.0.2"], ["127.0.0.1"]),
        )
        with pytest.raises(OSError):
            reach.connect("rebinding", port, 1)
        with pytest.raises(AddressRefused):
            reach.connect("rebinding", port, 1)
        with pytest.raises(BlockingIOError):
            inside.accept()


def test_of_a_name_with_both_only_the_public_addresses_are_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0)
        reach = Reach(
            allowed=(ipaddress.ip_network("127.0.0.2/32"),),
            resolve=resolving(["127.0.0.1", "127.0.0.2"]),
        )
        with pytest.raises(ConnectionRefusedError):
            reach.connect("mixed", inside.getsockname()[1], 1)
        with pytest.raises(BlockingIOError):
            inside.accept()


def test_the_peer_itself_is_looked_at_once_connected() -> None:
    """A network that redirects addresses changes nothing about who is at the other end."""
    with (
        socket.create_server(("127.0.0.1", 0)) as inside,
        socket.create_connection(inside.getsockname()) as connected,
    ):
        with pytest.raises(AddressRefused, match=r"the peer is 127\.0\.0\.1"):
            Reach().checked(connected)
        assert connected.fileno() == -1
