"""The vault in front of a keyring with a size limit, killed at any point: real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agentkeys.errors import VaultUnavailable
from agentkeys.secret import Secret
from agentkeys.vault import Vault
from agentkeys.vault.keyring_vault import KeyringVault
from tests.contracts.vault_suite import VaultContract, play

FAKE = Path(__file__).parents[1] / "fakes" / "vault_keyring.py"
OLD, NEW = "old " * 1000, "new " * 900

Small = Callable[..., KeyringVault]


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """A vault whose keyring takes 2560 bytes an entry, and kills its helper at a given change."""

    def vault(*, fatal: int = 0) -> KeyringVault:
        command = helper_of(tmp_path, fatal)
        return KeyringVault(environment={}, command=command, limit=timedelta(seconds=30))

    return vault


def helper_of(folder: Path, fatal: int = 0) -> list[str]:
    return [sys.executable, "-I", str(FAKE), str(folder), "2560", str(fatal)]


def entries(folder: Path) -> list[str]:
    """The names of what the keyring holds."""
    return sorted(file.name for file in folder.iterdir())


class TestSmallKeyring(VaultContract):
    @pytest.fixture
    def vault(self, small: Small) -> Vault:
        return small()


def test_no_part_is_left_behind(small: Small, tmp_path: Path) -> None:
    """A small blob is one entry again, and a deleted one is none."""

    async def story(vault: Vault) -> None:
        await vault.save("me@lab", Secret(OLD))
        assert len(entries(tmp_path)) == 5
        await vault.save("me@lab", Secret("small"))
        assert entries(tmp_path) == ["agentkeys-daemon%20me%40lab"]
        await vault.save("me@lab", Secret(OLD))
        await vault.delete("me@lab")
        assert entries(tmp_path) == []

    play(small(), story)


@pytest.mark.parametrize("change", range(1, 11))
def test_a_helper_killed_at_any_point_leaves_the_old_blob_or_the_new_one(
    small: Small, tmp_path: Path, change: int
) -> None:
    """With SIGKILL: four parts and their index are written, four old parts removed."""
    play(small(), lambda vault: vault.save("me@lab", Secret(OLD)))

    async def interrupted(vault: Vault) -> None:
        await vault.save("me@lab", Secret(NEW))

    if change < 10:
        with pytest.raises(VaultUnavailable, match="it ended without an answer"):
            play(small(fatal=change), interrupted)
    else:
        play(small(fatal=change), interrupted)
    expected = OLD if change <= 5 else NEW
    assert play(small(), lambda vault: vault.load("me@lab")) == Secret(expected)

    play(small(), lambda vault: vault.save("me@lab", Secret("small")))
    assert entries(tmp_path) == ["agentkeys-daemon%20me%40lab"]


def test_a_save_goes_on_without_the_daemon(small: Small, tmp_path: Path) -> None:
    """A daemon killed with SIGKILL has nobody read its helper's answers any more."""
    request = {"id": "1", "do": "save", "account": "me@lab", "blob": NEW}
    with subprocess.Popen(
        helper_of(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as helper:
        assert helper.stdin
        assert helper.stdout
        assert json.loads(helper.stdout.readline()) == {"ready": True}
        helper.stdout.close()
        helper.stdin.write(json.dumps(request).encode() + b"\n")
        helper.stdin.close()
    assert play(small(), lambda vault: vault.load("me@lab")) == Secret(NEW)
