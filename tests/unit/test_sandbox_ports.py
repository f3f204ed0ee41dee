"""Choosing ports for the store."""

from __future__ import annotations

import socket

import pytest

from agentkeys.errors import SandboxError
from agentkeys_shell.sandbox.ports import GRPC_OFFSET, choose_ports, is_port_free


def test_ports_are_different_and_so_are_their_grpc_ports() -> None:
    """No two of the listeners meet, whichever ports are drawn."""
    ports = choose_ports(5, is_free=lambda port: True)
    assert len({*ports, *(port + GRPC_OFFSET for port in ports)}) == 10


def test_a_port_needs_its_grpc_port() -> None:
    """A free port whose neighbour 10000 higher is taken is of no use."""
    with pytest.raises(SandboxError, match="no 1 free ports"):
        choose_ports(1, is_free=lambda port: port < 22_000)


def test_all_stay_below_the_ports_of_outgoing_calls() -> None:
    """A connection of some other program cannot take a port between two looks at it."""
    ports = choose_ports(100, is_free=lambda port: True)
    assert max(ports) + GRPC_OFFSET < 32_768
    assert min(ports) > 1_024


def test_a_port_with_a_server_is_not_free() -> None:
    """What somebody listens on is seen, and is free again when they have gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_port_free(port)
    assert is_port_free(port)
