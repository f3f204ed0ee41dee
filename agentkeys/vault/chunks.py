"""Entries of any size in a keyring that takes small ones only.

A text that is too large lies in parts, in entries of their own, and the account's own entry says
where. There are two places for parts, a and b. A save fills the one that is not in use, then
switches the account's entry over, then empties the other: killed at any point, it leaves either
the old text or the new one, and parts that the next save removes. A deletion switches the entry
over to no parts at all first, and goes last with the entry: the next load finishes what was killed
in between.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from itertools import count
from typing import NamedTuple, Protocol, Self

from keyring.errors import KeyringError, KeyringLocked

from agentkeys.vault.backends import NoCollection

__all__ = ["ChunkedEntries", "DamagedEntry", "Entries"]

_COMMON_LIMIT = 2048  # bytes; Windows has 2560, and no keyring is known to have less
_MARK = "agentkeys in parts"
_DELETED = f"{_MARK}: none left"
_INDEX = re.compile(rf"{_MARK}: ([ab]) (\d{{1,6}}) ([0-9a-f]{{64}})")


class DamagedEntry(KeyringError):
    """Something is kept, and nobody can read it."""


class Entries(Protocol):
    """A keyring's entries under our service; any error of any library may come out of it."""

    def get(self, name: str) -> str | None: ...

    def put(self, name: str, text: str) -> None: ...

    def remove(self, name: str) -> None:
        """Leaves nothing under the name; there need not have been anything."""
        ...


class _Index(NamedTuple):
    """What the account's own entry holds when the text lies in parts."""

    place: str
    parts: int
    digest: str

    @classmethod
    def of(cls, place: str, parts: list[str]) -> Self:
        return cls(place, len(parts), _digest("".join(parts)))

    @classmethod
    def parse(cls, head: str | None) -> Self | None:
        found = _INDEX.fullmatch(head or "")
        return cls(found[1], int(found[2]), found[3]) if found else None

    def __str__(self) -> str:
        return f"{_MARK}: {self.place} {self.parts} {self.digest}"


class ChunkedEntries:
    """Loads, saves and deletes texts; what `entries` raises comes through.

    `largest` is the number of bytes that an entry can have, None where no limit is known. A text
    that is refused, and that might have been too large, is tried again in parts; larger ones then
    go there at once for as long as this object lives, as it may have been a passing failure.
    """

    def __init__(self, entries: Entries, *, largest: int | None = None) -> None:
        self._entries = entries
        self._largest = largest
        self._without_parts: set[str] = set()
        """Accounts whose parts need not be looked for."""

    def load(self, account: str) -> str | None:
        """None means that there certainly is nothing; raises DamagedEntry for an unreadable one."""
        head = self._entries.get(account)
        while head is not None and head.startswith(_MARK):
            if head == _DELETED:
                self._finish_deletion(account)
                return None
            if (text := self._join(account, head)) is not None:
                return text
            # The helper of a daemon that was killed may have saved in between.
            before, head = head, self._entries.get(account)
            if head == before:
                raise DamagedEntry(
                    f"what is kept for {account} is damaged, log in again or log out"
                )
        return head

    def save(self, account: str, text: str) -> None:
        if self._needs_parts(text):
            self._save_in_parts(account, text)
            return
        try:
            self._entries.put(account, text)
        except (KeyringLocked, NoCollection):
            raise
        except Exception:
            # Backends have no common word for "too large".
            if _size(text) <= _COMMON_LIMIT:
                raise
            self._save_in_parts(account, text)
            self._largest = _COMMON_LIMIT
        else:
            self._tidy(account, None)

    def delete(self, account: str) -> None:
        if (self._head(account) or "").startswith(_MARK):
            self._entries.put(account, _DELETED)
        self._remove_parts(account, None)
        self._entries.remove(account)

    def _finish_deletion(self, account: str) -> None:
        # There is nothing to load either way; what stays is for the next load, save or deletion.
        with suppress(Exception):
            self.delete(account)

    def _head(self, account: str) -> str | None:
        """The account's own entry, or None where it speaks of no parts for certain."""
        return None if account in self._without_parts else self._entries.get(account)

    def _needs_parts(self, text: str) -> bool:
        if text.startswith(_MARK):  # it would be taken for an index
            return True
        return self._largest is not None and _size(text) > self._largest

    def _save_in_parts(self, account: str, text: str) -> None:
        current = _Index.parse(self._head(account))
        parts = _cut(text, self._largest or _COMMON_LIMIT)
        index = _Index.of("b" if current and current.place == "a" else "a", parts)
        self._without_parts.discard(account)
        for number, part in enumerate(parts):
            self._entries.put(_name(account, index.place, number), part)
        self._entries.put(account, str(index))
        self._tidy(account, index)

    def _join(self, account: str, head: str) -> str | None:
        """None if parts are missing or of another text: nobody can make use of the rest."""
        index = _Index.parse(head)
        if index is None:
            return None
        names = (_name(account, index.place, number) for number in range(index.parts))
        text = "".join(self._entries.get(name) or "" for name in names)
        return text if _digest(text) == index.digest else None

    def _tidy(self, account: str, index: _Index | None) -> None:
        # The text is saved; what cannot be removed now is for the next save.
        with suppress(Exception):
            self._remove_parts(account, index)

    def _remove_parts(self, account: str, index: _Index | None) -> None:
        """Removes what no `index` speaks of."""
        if account in self._without_parts:
            return
        for place in "ab":
            self._shorten(account, place, index.parts if index and index.place == place else 0)
        if index is None:
            self._without_parts.add(account)

    def _shorten(self, account: str, place: str, to: int) -> None:
        # Written from the first and removed from the last, parts have no gaps at any time.
        end = next(n for n in count(to) if self._entries.get(_name(account, place, n)) is None)
        for number in reversed(range(to, end)):
            self._entries.remove(_name(account, place, number))


def _name(account: str, place: str, number: int) -> str:
    return f"{account}, part {place}{number + 1}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _width(text: str) -> int:
    """The most bytes that a character of `text` takes in UTF-8 or UTF-16."""
    return 2 if text.isascii() else 4


def _size(text: str) -> int:
    return len(text) * _width(text)


def _cut(text: str, size: int) -> list[str]:
    step = max(1, size // _width(text))
    return [text[start : start + step] for start in range(0, len(text), step)]
