"""How modules of ours are started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agentkeys.interpreter import own_module


def test_a_module_runs_in_this_very_interpreter() -> None:
    """With its arguments behind it."""
    argv = own_module("agentkeys_daemon", "--detach")
    assert argv[0] == sys.executable
    assert argv[-3:] == ["-m", "agentkeys_daemon", "--detach"]


def test_what_lies_in_the_current_folder_is_not_imported(tmp_path: Path) -> None:
    """A hostile folder has no say, and neither has PYTHONPATH."""
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    done = subprocess.run(
        [*own_module("json.tool"), "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
