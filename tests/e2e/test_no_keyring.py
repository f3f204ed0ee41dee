"""No program that people run touches a keyring: the daemon's helper alone does."""

from __future__ import annotations

import sys

import pytest

from tests.support.programs import Home

KEYRINGS = {"keyring", "secretstorage", "jeepney", "dbus", "gi"}


@pytest.mark.parametrize(
    "command",
    [
        "agentkeys-credential-process",
        "agentkeys exec -- true",
        "agentkeys status",
        "agentkeys status --json",
        "agentkeys whoami",
        "agentkeys profiles",
        "agentkeys login --help",
        "agentkeys daemon status",
        "agentkeys daemon start",
        "agentkeys sandbox --help",
        "agentkeys --help",
    ],
)
def test_no_command_imports_a_keyring(sandbox_home: Home, command: str) -> None:
    """Slow to import, and able to block or to prompt, it has no place in a client."""
    name, *arguments = command.split()
    program = sandbox_home.program(name)
    done = sandbox_home.run(sys.executable, "-I", "-X", "importtime", program, *arguments)
    assert done.status == 0, done
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    packages = {name.partition(".")[0] for name in imported}
    assert packages & {"agentkeys", "agentkeys_shell"}
    assert not packages & KEYRINGS
