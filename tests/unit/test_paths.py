"""Where things lie on disk."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from agentkeys.paths import Paths


def test_everything_lies_in_the_state_folder(tmp_path: Path) -> None:
    """Ledger, log, sandbox and runs, by their documented names."""
    paths = Paths.from_environment(
        {"AGENTKEYS_STATE_DIR": str(tmp_path), "AGENTKEYS_SOCKET": "/s", "AGENTKEYS_CONFIG": "/c"}
    )
    assert (paths.config, paths.state, paths.socket) == (Path("/c"), tmp_path, Path("/s"))
    assert paths.ledger == tmp_path / "audit/ledger.jsonl"
    assert paths.log == tmp_path / "logs/daemon.jsonl"
    assert (paths.sandbox, paths.run) == (tmp_path / "sandbox", tmp_path / "run")


def test_the_configuration_is_in_the_platform_s_folder() -> None:
    """Unless AGENTKEYS_CONFIG names another, which counts from the current folder."""
    own = Path(platformdirs.user_config_dir("agentkeys", appauthor=False)) / "config.toml"
    assert Paths.from_environment({"AGENTKEYS_SOCKET": "/s"}).config == own
    named = Paths.from_environment({"AGENTKEYS_SOCKET": "/s", "AGENTKEYS_CONFIG": "c.toml"})
    assert named.config == Path.cwd() / "c.toml"
