"""Secrets that are known to a test, and the search for any trace of them."""

from __future__ import annotations

import base64
import html
import json
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from threading import Lock
from urllib.parse import quote, quote_plus

__all__ = ["JWT_NAMES", "Marks", "files_below"]

WINDOW = 12
"""So many characters of a secret, from its beginning or up to its end, count as a trace."""

JWT_NAMES = {
    "jwt": "web identity token",
    "session_jwt": "broker session",
    "id_token": "web identity token",
    "access_token": "access token",
    "refresh_token": "refresh token",
    "value": "web identity token",
}
"""What the members of servers' answers are that hold secrets."""


class Marks:
    """Every secret that has been noted, by what it is; safe to be used by several threads."""

    def __init__(self) -> None:
        self._traces: dict[bytes, str] = {}
        self._noted: set[str] = set()
        self._lock = Lock()

    def fresh(self, name: str, *, more: str = "") -> str:
        """A new secret, noted; `more` are characters that stand in its middle."""
        return self.note(name, f"{secrets.token_hex(12)}{more}{secrets.token_hex(12)}")

    def note(self, name: str, value: str) -> str:
        """`value` is one, and so is each part of it where it is a JWT, of eight characters on."""
        with self._lock:
            if value not in self._noted:
                self._noted.add(value)
                for part in {value, *value.split(".")}:
                    if len(part) >= WINDOW:
                        self._traces.update(dict.fromkeys(_traces(part), name))
        return value

    def note_answer(self, body: bytes) -> None:
        """What a server's JSON holds of JWT_NAMES."""
        found = json.loads(body)
        for member, name in JWT_NAMES.items():
            if isinstance(found.get(member), str):
                self.note(name, found[member])

    def found_in(self, text: str | bytes, *, but: Collection[str] = ()) -> set[str]:
        """The names of the secrets of which there is a trace in it, white space aside."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        with self._lock:
            traces = dict(self._traces)
        found = set()
        for each in (data, b"".join(data.split())):
            for start in range(len(each) - WINDOW + 1):
                name = traces.get(each[start : start + WINDOW])
                if name is not None and name not in but:
                    found.add(name)
        return found


def _traces(value: str) -> Iterator[bytes]:
    for form in _forms(value):
        yield form[:WINDOW]
        yield form[-WINDOW:]


def _forms(value: str) -> Iterator[bytes]:
    """As it is, and as it may have been written down on the way."""
    raw = value.encode()
    for text in (
        value,
        quote(value, safe=""),
        quote_plus(value),
        quote(value, safe="").lower(),
        json.dumps(value)[1:-1],
        html.escape(value),
        raw.hex(),
        raw.hex().upper(),
    ):
        yield text.encode()
    for before in range(3):
        # In the midst of something else it begins at any of three places of a group.
        encoded = base64.b64encode(b"\0" * before + raw)[(0, 2, 3)[before] :].rstrip(b"=")[:-2]
        yield encoded
        yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


def files_below(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Each file, its path being searched too; sockets and pipes hold nothing."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            yield path, str(path).encode() + b"\n" + (path.read_bytes() if path.is_file() else b"")
