"""Forgetting while the keyring fails: what is done all the same, and what is told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agentkeys.audit import FileLedger
from agentkeys.config import ConfigSource
from agentkeys.errors import VaultUnavailable
from agentkeys.paths import Paths
from agentkeys.transport import Transport
from agentkeys.vault import OpenedVault
from agentkeys_daemon.app import App
from agentkeys_daemon.peers import itself
from agentkeys_daemon.watches import process_watch
from tests.fakes.vault import Fault, FaultyVault
from tests.support.moved_clock import MovedClock

CONFIGURED = """\
[identities.first]
source = "broker"
url = "https://broker.example.com"
[identities.second]
source = "broker"
url = "https://broker.example.com"
"""


@pytest.mark.parametrize(
    ("failing", "forgotten"), [(1, "second"), (2, "second"), (3, "first"), (4, "first")]
)
def test_one_that_stays_in_the_keyring_keeps_no_other_there(
    tmp_path: Path, failing: int, forgotten: str
) -> None:
    """Whether the keyring refuses to be read or to delete, and the failure is told in the end."""
    vault = FaultyVault({failing: Fault.REFUSES})
    assert asyncio.run(_forget_all(tmp_path, vault)) == [forgotten]


async def _forget_all(folder: Path, vault: FaultyVault) -> list[str]:
    """The identities that the ledger says were forgotten."""
    (folder / "config.toml").write_text(CONFIGURED, encoding="utf-8")
    environ = {
        "AGENTKEYS_CONFIG": str(folder / "config.toml"),
        "AGENTKEYS_STATE_DIR": str(folder / "state"),
        "AGENTKEYS_SOCKET": str(folder / "daemon.sock"),
        "HOME": str(folder),
    }
    paths, clock = Paths.from_environment(environ), MovedClock()
    app = App(
        configuration=ConfigSource(environ=environ, paths=paths),
        opened=OpenedVault(vault, lambda: "a vault with faults"),
        transport=Transport(clock=clock),
        ledger=FileLedger(path=paths.ledger, clock=clock),
        clock=clock,
        paths=paths,
        watch=process_watch(),
        environ=environ,
    )
    with pytest.raises(VaultUnavailable):
        await app.forgetting.forget(None, itself())
    await app.aclose()
    lines = paths.ledger.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["identity"] for line in lines]
