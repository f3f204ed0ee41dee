"""The two installed scripts, which have to stand alone and so repeat each other."""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).parent.parent.parent / "shell" / "scripts"


def test_the_launchers_differ_only_in_what_they_start() -> None:
    """A mend of one is a mend of both."""
    program = (SCRIPTS / "agentkeys").read_text(encoding="utf-8")
    shim = (SCRIPTS / "agentkeys-credential-process").read_text(encoding="utf-8")
    assert program.count("agentkeys_shell.fast ") == 2
    assert program.replace("agentkeys_shell.fast ", "agentkeys_shell.credential_process ") == shim
