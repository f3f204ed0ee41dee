"""How the store is started."""

from __future__ import annotations

from pathlib import Path

from agentkeys_shell.sandbox.seaweedfs import StorePorts, find_weed, weed_arguments

PORTS = StorePorts(s3=12001, master=12002, volume=12003, filer=12004, admin=12005)


def test_nothing_listens_beyond_this_machine() -> None:
    """The store is on loopback, and reports to nobody."""
    arguments = weed_arguments(Path("data"), PORTS)
    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"} <= set(arguments)


def test_every_port_is_told() -> None:
    """Nothing that opens a port is left to a default, so that two stores can run side by side."""
    arguments = set(weed_arguments(Path("data"), PORTS))
    assert {
        "-s3.port=12001",
        "-master.port=12002",
        "-volume.port=12003",
        "-filer.port=12004",
        "-admin.port=12005",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
    } <= arguments


def test_the_program_comes_with_the_sandbox_extra() -> None:
    """`weed` is found beside the interpreter that runs us, activated or not."""
    assert find_weed().name == "weed"
