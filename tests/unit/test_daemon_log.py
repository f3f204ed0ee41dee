"""The daemon's log: JSON lines, private, bounded."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkeys.errors import ConfigError
from agentkeys_daemon.log import MAX_BYTES, OLD_FILES, open_log
from agentkeys_daemon.request_log import shape_of
from agentkeys_daemon.settings import log_level


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where a log is being written."""
    path = tmp_path / "logs" / "daemon.jsonl"
    with open_log(path):
        yield path


@pytest.fixture
def log() -> logging.Logger:
    return logging.getLogger("agentkeys.daemon")


def test_each_line_is_an_object(path: Path, log: logging.Logger) -> None:
    """A message of several lines stays one line of the file."""
    log.info("one\ntwo %s", "ü")
    log.warning("three")
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(e["level"], e["message"]) for e in entries] == [
        ("info", "one\ntwo ü"),
        ("warning", "three"),
    ]
    assert all(set(entry) == {"time", "level", "message", "pid"} for entry in entries)


def test_it_shows_no_traceback(path: Path, log: logging.Logger) -> None:
    """Its lines would show source, and through reprs what was in it."""
    try:
        int("held-secret")
    except ValueError:
        log.exception("it failed")
    assert "held-secret" not in path.read_text(encoding="utf-8")
    assert "Traceback" not in path.read_text(encoding="utf-8")


def test_it_is_rotated_and_stays_private(path: Path, log: logging.Logger) -> None:
    """The latest few megabytes are kept, whole lines all of them, for their owner alone."""
    words = "x" * 10_000
    for number in range(6 * MAX_BYTES // len(words)):
        log.info("%d %s", number, words)
    files = sorted(path.parent.iterdir())
    assert len(files) == 1 + OLD_FILES
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_size <= MAX_BYTES
        for line in file.read_text(encoding="utf-8").splitlines():
            assert json.loads(line)["message"].endswith(words)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(("value", "lines"), [("", 1), ("info", 1), ("debug", 2)])
def test_its_level_is_chosen(tmp_path: Path, log: logging.Logger, value: str, lines: int) -> None:
    """By AGENTKEYS_LOG; what libraries say is never among it."""
    path = tmp_path / "logs" / "daemon.jsonl"
    level = logging.getLogger("agentkeys").level
    with open_log(path, level=log_level({"AGENTKEYS_LOG": value})):
        log.info("one")
        log.debug("two")
        logging.getLogger("httpx").error("three")
    assert logging.getLogger("agentkeys").level == level
    assert len(path.read_text(encoding="utf-8").splitlines()) == lines


def test_a_level_that_is_none_is_told() -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match="AGENTKEYS_LOG is 'loud'") as refused:
        log_level({"AGENTKEYS_LOG": "loud"})
    assert refused.value.hint == "set it to debug or info, or not at all"


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (b"/v1/profiles/data/credentials", "/v1/profiles/…/credentials"),
        (b"/v1/runs/abcd/credentials?token=t", "/v1/runs/…/credentials"),
        (b"/v1/mint-aws-creds", "/v1/mint-aws-creds"),
        (b"/eyJhbGciOiJFUzI1NiJ9/x", "/…/…"),
        (b"/" * 1000, "/" * 7),
    ],
)
def test_a_request_s_line_holds_no_name(path: bytes, shape: str) -> None:
    """Who asks with a secret in the wrong place does not find it in the log."""
    assert shape_of(path) == shape


def test_it_is_not_written_through_a_link(tmp_path: Path) -> None:
    """Somebody else's file must not grow by it."""
    (tmp_path / "logs").mkdir(mode=0o700)
    (tmp_path / "logs" / "daemon.jsonl").symlink_to(tmp_path / "elsewhere")
    log = open_log(tmp_path / "logs" / "daemon.jsonl")
    with pytest.raises(ConfigError, match="cannot be written"), log:
        pass
    assert not (tmp_path / "elsewhere").exists()
