"""A command that prints tokens, each of them once, as a test lays them out for it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from pathlib import Path

__all__ = ["TokenScript"]

_SCRIPT = """#!/bin/sh
echo >> "$0.runs"
while [ -e "$0.held" ]; do sleep 0.02; done
for token in "$0.tokens"/*; do
    mv "$token" "$0.$$" 2>/dev/null && exec cat "$0.$$"
done
echo "no token is left, and this is a {secret}" >&2
exit 1
"""


class TokenScript:
    """The command `argv`, in `folder`; when it has no token left it fails, and shows `secret`."""

    secret = "s3cr3t-of-the-command"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "print-token"
        self._path.write_text(_SCRIPT.format(secret=self.secret))
        self._path.chmod(0o700)
        self._tokens = self._beside("tokens")
        self._tokens.mkdir()
        self._beside("runs").touch()
        self._numbers = count(1)

    @property
    def argv(self) -> tuple[str, ...]:
        return (str(self._path),)

    @property
    def runs(self) -> int:
        """How often it was started."""
        return len(self._beside("runs").read_bytes())

    def give(self, tokens: Iterable[str]) -> None:
        """It prints these next, and no others that it was given before."""
        for left in self._tokens.iterdir():
            left.unlink()
        for token in tokens:
            (self._tokens / f"{next(self._numbers):06d}").write_text(f"{token}\n")

    def hold(self) -> None:
        """Started from now on, it waits for `release`."""
        self._beside("held").touch()

    def release(self) -> None:
        self._beside("held").unlink()

    def _beside(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{name}")
