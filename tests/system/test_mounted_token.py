"""Token files as a machine's administrator lays them out: whose they are, and how mounted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tokens import web_identity_jwt

NOBODY = 65534
MESSENGER = 4321

_READ = """
import asyncio, json, os, sys
from pathlib import Path
from agentkeys.clock import SystemClock
from agentkeys.errors import AgentkeysError
from agentkeys.tokens.file import FileTokenSource

def read(path):
    source = FileTokenSource(path=lambda: Path(path), clock=SystemClock())
    return asyncio.run(source.subject())

# Loads what only root can: an interpreter below a private home is nobody else's to read.
read(sys.argv[3])
if int(sys.argv[2]):
    os.setgroups([])
    os.setresgid(*[int(sys.argv[2])] * 3)
    os.setresuid(*[int(sys.argv[2])] * 3)
try:
    print(json.dumps({"subject": read(sys.argv[1])}))
except AgentkeysError as problem:
    print(json.dumps({"problem": problem.message, "hint": problem.hint}))
"""


@pytest.fixture(autouse=True, scope="module")
def root() -> None:
    """Only root can give files away, and mount."""
    assert os.getuid() == 0, "run these tests as root: they act as other users, and mount"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """In a folder that everybody may look into."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    for name in ("own", "token"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(web_identity_jwt())
    return tmp_path / "token"


def give(token: Path, *, uid: int, mode: int) -> Path:
    os.chown(token, uid, uid)
    token.chmod(mode)
    return token


def read(path: Path, *, uid: int = 0, mounted: str = "") -> dict[str, str]:
    """What a source of that user makes of it; its folder `mounted` anew with such options."""
    words = [sys.executable, "-c", _READ, str(path), str(uid), str(path.with_name("own"))]
    if mounted:
        script = 'mount --bind "$0" "$0" && mount -o "remount,bind,$1" "$0" && shift && exec "$@"'
        words = [
            *("unshare", "--mount", "--propagation", "private"),
            *("sh", "-c", script, str(path.parent), mounted, *words),
        ]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o600, 0o444])
def test_a_projected_token_is_the_platform_s_business(token: Path, mode: int) -> None:
    """In a container that runs as root it is root's own, mode 0644, on a read-only mount."""
    give(token, uid=0, mode=mode)
    assert "subject" in read(token, mounted="ro")


def test_the_same_is_refused_where_it_can_be_written(token: Path) -> None:
    """It is the mount that tells the two apart."""
    give(token, uid=0, mode=0o644)
    assert "open to other users" in read(token, mounted="rw")["problem"]
    assert "subject" in read(give(token, uid=0, mode=0o600), mounted="rw")


def test_root_may_lay_down_a_token_for_others(token: Path) -> None:
    """Who may read it is root's decision; that others can change it is a mistake."""
    assert "subject" in read(give(token, uid=0, mode=0o644), uid=NOBODY)
    give(token, uid=0, mode=0o666)
    assert "open to other users" in read(token, uid=NOBODY)["problem"]
    assert "subject" in read(token, uid=NOBODY, mounted="ro")


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o666])
def test_another_user_s_file_is_refused(token: Path, mode: int) -> None:
    """Who writes it decides whom we act as; root, who can read anything, is no exception."""
    give(token, uid=MESSENGER, mode=mode)
    answer = read(token)
    assert answer["problem"].endswith(f"belongs to another user (uid {MESSENGER})")
    assert "a file of your own" in answer["hint"]
    assert "subject" in read(token, mounted="ro")


def test_what_cannot_be_read_is_told(token: Path) -> None:
    """Without a word about what is in it."""
    give(token, uid=0, mode=0o600)
    assert "cannot be read: Permission denied" in read(token, uid=NOBODY)["problem"]
