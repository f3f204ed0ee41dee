"""Which addresses stay on this machine, and who listens there.

A loopback port belongs to whoever binds it first. Before a token goes to one, the listener must be
known to be ours: on a shared machine another user could wait there for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from itertools import takewhile
from pathlib import Path

__all__ = ["listener_uid", "loopback_addresses"]

_IPV4 = IPv4Network("127.0.0.0/8")
_IPV6 = IPv6Address("::1")
_LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h
_BEING_OPENED = "03"  # TCP_SYN_RECV


def loopback_addresses(host: str) -> tuple[str, ...]:
    """The addresses that a connection to `host` may reach, none unless `host` is loopback.

    That is 127.0.0.0/8, ::1 or the name localhost.
    """
    if host == "localhost":
        return ("127.0.0.1", "::1")
    try:
        address = ip_address(host)
    except ValueError:
        return ()
    # No is_loopback here: Python versions differ on ::ffff:127.0.0.1 and on ::1%scope.
    local = address in _IPV4 if isinstance(address, IPv4Address) else address == _IPV6
    return (host,) if local else ()


def listener_uid(host: str, port: int, *, tables: Path = Path("/proc/net")) -> int | None:
    """The user whose socket takes connections to the loopback address `host` and `port`.

    None when nobody listens, or where the kernel keeps no such tables (macOS). The formats are
    those of Linux's proc_net_tcp documentation.
    """
    listeners = dict(_listeners(tables, port))
    for bound in _bindings(host):
        if bound in listeners:
            return listeners[bound]
    return None


def _listeners(tables: Path, port: int) -> Iterator[tuple[str, int]]:
    """Each listening socket on `port`: its address in the kernel's hex, and its owner."""
    ending = f":{port:04X}"
    for line in _lines(tables / "tcp", tables / "tcp6"):
        if ending not in line:
            continue
        fields = line.split()
        if fields[1].endswith(ending) and fields[3] == _LISTEN:
            yield fields[1].removesuffix(ending), int(fields[7])


def _lines(*tables: Path) -> Iterator[str]:
    """Line by line, as far as there are listeners: the kernel lists them before all others.

    The others may be tens of thousands, most of them connections that ended a minute ago, and the
    kernel makes up no more of a table than is read.
    """
    for table in tables:
        with suppress(OSError), table.open(encoding="ascii") as lines:
            next(lines, None)
            yield from takewhile(_is_among_listeners, lines)


def _is_among_listeners(line: str) -> bool:
    # Kernels before 4.4 list the connections that are being opened behind their listener.
    return line.split(maxsplit=4)[3] in (_LISTEN, _BEING_OPENED)


def _bindings(host: str) -> tuple[str, ...]:
    """What a socket may be bound to and get connections to `host`, the kernel's choice first."""
    address = ip_address(host)
    if isinstance(address, IPv6Address):
        return _kernel_hex(address.packed), _kernel_hex(bytes(16))
    mapped = bytes(10) + b"\xff\xff"
    return tuple(
        _kernel_hex(bound)
        for bound in (
            address.packed,
            mapped + address.packed,
            bytes(4),
            mapped + bytes(4),
            bytes(16),
        )
    )


def _kernel_hex(packed: bytes) -> str:
    """An address as the kernel prints it: 32-bit words in the machine's own byte order."""
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words)
