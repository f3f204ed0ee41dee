"""Which URLs stay on this machine, and whose socket answers there."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agentkeys.loopback import listener_uid, loopback_addresses

Tables = Callable[..., Path]

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  inode\n"
NOBODY = f"{'0' * 8}:0000"
LITTLE_ENDIAN = pytest.mark.skipif(
    sys.byteorder == "big", reason="the tables below are those of a little-endian machine"
)


def line(address: str, uid: int, state: str = "0A") -> str:
    return f"   0: {address} {NOBODY} {state} 00000000:00000000 00:00000000 00000000 {uid} 0 1\n"


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    def write(*, tcp: Iterable[str] = (), tcp6: Iterable[str] = ()) -> Path:
        (tmp_path / "tcp").write_text(HEAD + "".join(tcp))
        (tmp_path / "tcp6").write_text(HEAD + "".join(tcp6))
        return tmp_path

    return write


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:18333",
        "http://127.9.9.9/",
        "http://[::1]:80/x",
        "http://localhost",
        "https://LOCALHOST:8443/",
    ],
)
def test_these_stay_on_this_machine(url: str) -> None:
    """The whole of 127.0.0.0/8, ::1, and the one name that means them."""
    assert loopback_addresses(urlsplit(url).hostname or "")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://0.0.0.0",
        "http://127.1",
        "http://2130706433",
        "http://[::ffff:127.0.0.1]",
        "http://[::1%25eth0]",
        "http://10.0.0.1",
        "http://127.0.0.1@example.com",
        "http:///x",
    ],
)
def test_these_may_leave_it(url: str) -> None:
    """A spelling that only some readers take for loopback is not taken for it here."""
    assert not loopback_addresses(urlsplit(url).hostname or "")


def test_localhost_is_both_addresses() -> None:
    """Which one a connection takes is the resolver's choice, so both must be checked."""
    assert loopback_addresses("localhost") == ("127.0.0.1", "::1")


@LITTLE_ENDIAN
@pytest.mark.parametrize(
    "where",
    [
        {"tcp": [line("0100007F:479D", 1000)]},
        {"tcp": [line("00000000:479D", 1000)]},
        {"tcp6": [line("0000000000000000FFFF00000100007F:479D", 1000)]},
        {"tcp6": [line("0" * 32 + ":479D", 1000)]},
    ],
)
def test_a_listener_is_found_however_it_is_bound(
    tables: Tables, where: dict[str, list[str]]
) -> None:
    """To the address, to all of IPv4, to the mapped address, or to everything."""
    assert listener_uid("127.0.0.1", 18333, tables=tables(**where)) == 1000


@LITTLE_ENDIAN
def test_the_closest_binding_gets_the_connection(tables: Tables) -> None:
    """The kernel prefers the address itself to any wildcard, and so do we."""
    both = tables(
        tcp=[line("0100007F:479D", 1000)],
        tcp6=[line("0" * 32 + ":479D", 2000)],
    )
    assert listener_uid("127.0.0.1", 18333, tables=both) == 1000
    assert listener_uid("::1", 18333, tables=both) == 2000


@LITTLE_ENDIAN
@pytest.mark.parametrize(
    "other",
    [
        line("0100007F:479D", 1000, state="01"),
        line("0100007F:0050", 1000),
        line("0200007F:479D", 1000),
    ],
)
def test_other_sockets_do_not_count(tables: Tables, other: str) -> None:
    """A connection, another port, another address."""
    assert listener_uid("127.0.0.1", 18333, tables=tables(tcp=[other])) is None


def test_without_the_kernel_s_tables_nothing_is_known(tmp_path: Path) -> None:
    """As on macOS: no answer is not a wrong one."""
    assert listener_uid("127.0.0.1", 18333, tables=tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/net is Linux's")
@pytest.mark.parametrize(("family", "host"), [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
def test_a_real_listener_of_ours_is_seen_as_ours(family: str, host: str) -> None:
    """The tables are read as this kernel writes them."""
    with socket.socket(getattr(socket, family)) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(f"no {host} here")
        port = listener.getsockname()[1]
        assert listener_uid(host, port) is None
        listener.listen()
        assert listener_uid(host, port) == os.getuid()
