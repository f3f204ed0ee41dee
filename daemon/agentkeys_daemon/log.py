"""The daemon's log: JSON lines in the state folder, private, bounded in size."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import cast

from agentkeys.clock import format_utc
from agentkeys.errors import ConfigError
from agentkeys.private_files import private_folder

__all__ = ["open_log"]

MAX_BYTES = 1_000_000
OLD_FILES = 3


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # No exc_info: a traceback shows source lines and, through reprs, values.
        return json.dumps(
            {
                "time": format_utc(datetime.fromtimestamp(record.created, UTC)),
                "level": record.levelname.lower(),
                "message": record.getMessage(),
                "pid": record.process,
            }
        )


class _PrivateRotatingFile(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        return cast("TextIOWrapper", os.fdopen(descriptor, self.mode, encoding=self.encoding))


@contextmanager
def open_log(path: Path, *, level: int = logging.INFO) -> Iterator[None]:
    """Sends the daemon's own messages, from `level` on, to `path` until its block ends.

    What the libraries below say goes nowhere, whatever the level: they do not know what is secret.

    Raises ConfigError when that cannot be written.
    """
    private_folder(path.parent)
    try:
        handler = _PrivateRotatingFile(
            path, maxBytes=MAX_BYTES, backupCount=OLD_FILES, encoding="utf-8"
        )
    except OSError as problem:
        raise ConfigError(
            f"the log {path} cannot be written: {problem.strerror}",
            hint="move away what is there, or set AGENTKEYS_STATE_DIR to another folder",
        ) from problem
    handler.setFormatter(_JsonLines())
    logger = logging.getLogger("agentkeys")
    before = logger.level
    logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()
