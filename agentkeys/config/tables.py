"""Reads typed values out of a parsed TOML table and says exactly where one is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from agentkeys.errors import ConfigError
from agentkeys.loopback import loopback_addresses

__all__ = ["REGION", "Table", "nearest", "parse_duration"]

REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
"""What every store takes for a region: AWS's names, and whatever else people call theirs."""
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that `name` was most likely meant to be."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), None)


def parse_duration(text: str) -> timedelta:
    """From `1h`, `90m`, `1h30m` or `900s`; ValueError otherwise, for zero too."""
    found = _DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    duration = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise ValueError(text)
    return duration


class Table:
    """One table of a configuration file, such as `profiles.data`.

    Every reader raises ConfigError naming the file, the key and what would be right.
    """

    def __init__(self, values: Mapping[str, Any], *, file: str, path: str = "") -> None:
        self._values = values
        self._file = file
        self._path = path

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def refuse(self, key: str, problem: str, hint: str) -> ConfigError:
        """The error to raise about `key`."""
        where = f"{self._file}: " if self._file else ""
        return ConfigError(f"{where}{self._full(key)} {problem}", hint=hint)

    def refuse_unknown(
        self, key: str, name: str, among: str, known: Collection[str]
    ) -> ConfigError:
        """The error to raise where `key` refers to a name that is not in the tables `among`."""
        guess = nearest(name, known)
        hint = (
            f"did you mean {guess}?"
            if guess
            else f"write one of: {', '.join(known)}"
            if known
            else f"write [{among}.{name}]"
        )
        return self.refuse(key, f"names {name!r}, which is not among the {among}", hint)

    def only(self, *known: str) -> None:
        """Refuses any key that is not among `known`, naming the nearest one."""
        for key in self._values:
            if key not in known:
                guess = nearest(key, known)
                raise self.refuse(
                    key,
                    "is not a known key",
                    f"did you mean {guess}?" if guess else f"known keys: {', '.join(known)}",
                )

    def text(self, key: str) -> str | None:
        """A string of any characters, or None where the key is absent."""
        value = self._values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.refuse(key, f"is {_kind(value)}, not a string", f'write {key} = "…" in quotes')

    def string(self, key: str) -> str | None:
        """A non-empty string of printable characters, or None where the key is absent."""
        value = self.text(key)
        if value is not None and not (value and value.isprintable()):
            raise self.refuse(
                key, "is empty or has control characters", "give it a value or remove the line"
            )
        return value

    def strings(self, key: str) -> tuple[str, ...] | None:
        """A list of at least one string, whatever is in them, or None where the key is absent."""
        values = self._values.get(key)
        if values is None:
            return None
        if not isinstance(values, list):
            raise self.refuse(key, f"is {_kind(values)}, not a list", f'write {key} = ["…"]')
        if not values:
            raise self.refuse(key, "is an empty list", "put something in or remove the line")
        for value in values:
            if not isinstance(value, str):
                raise self.refuse(
                    key, f"holds {_kind(value)}, not only strings", "put quotes around each"
                )
        return tuple(values)

    def required(self, key: str) -> str:
        """A string that must be there."""
        value = self.string(key)
        if value is None:
            raise self.refuse(key, "is missing", f'add {key} = "…"')
        return value

    def choice(self, key: str, choices: Collection[str]) -> str | None:
        """One of `choices`, or None where the key is absent."""
        value = self.string(key)
        if value is not None and value not in choices:
            raise self.refuse_choice(key, value, choices)
        return value

    def refuse_choice(self, key: str, value: str, choices: Collection[str]) -> ConfigError:
        """The error to raise where `value` is none of `choices`."""
        guess = nearest(value, choices)
        hint = f'did you mean "{guess}"?' if guess else f"write one of: {', '.join(choices)}"
        return self.refuse(key, f"cannot be {value!r}", hint)

    def path(self, key: str) -> Path | None:
        """An absolute path, `~` at its beginning being the home, or None where it is absent."""
        value = self.string(key)
        if value is None:
            return None
        try:
            path = Path(value).expanduser()
        except RuntimeError:
            path = Path(value)
        if not path.is_absolute():
            raise self.refuse(key, f"is not an absolute path: {value!r}", "begin it with / or ~/")
        return path

    def port(self, key: str) -> int | None:
        """A port that needs no privilege, or None where the key is absent."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1024 <= value <= 65535:
            raise self.refuse(key, "is not a port", f"write {key} = 8400, from 1024 to 65535")
        return value

    def boolean(self, key: str) -> bool:
        """False where the key is absent."""
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self.refuse(key, f"is {_kind(value)}, not true or false", f"write {key} = true")
        return value

    def duration(self, key: str) -> timedelta | None:
        value = self.string(key)
        try:
            return None if value is None else parse_duration(value)
        except (ValueError, OverflowError):
            raise self.refuse(
                key, f"is not a duration: {value!r}", 'write it as "15m", "1h" or "900s"'
            ) from None

    def region(self, key: str) -> str | None:
        region = self.string(key)
        if region is not None and not REGION.fullmatch(region):
            raise self.refuse(key, f"is not a region: {region!r}", 'write it like "us-east-1"')
        return region

    def url(self, key: str) -> str | None:
        """An http(s) base URL without user, query or closing slash; http only for loopback."""
        value = self.string(key)
        if value is None:
            return None
        if "@" in value:  # before anything that would show it
            raise self.refuse(key, "holds a user name or a password", "write https://host[:port]")
        parts = _base_url(value)
        if parts is None:
            raise self.refuse(key, f"is not a base URL: {value!r}", "write https://host[:port]")
        if parts.scheme == "http" and not loopback_addresses(parts.hostname or ""):
            raise self.refuse(
                key,
                f"uses http:// for {parts.hostname}, which is not this machine",
                "use https://, since tokens and keys travel there",
            )
        return value.rstrip("/")

    def required_url(self, key: str) -> str:
        """A base URL that must be there."""
        self.required(key)
        url = self.url(key)
        assert url is not None  # noqa: S101 - required() has just found it
        return url

    def tables(self, key: str) -> dict[str, Table]:
        """The named tables below `key`, such as every `[profiles.NAME]`."""
        values = self._values.get(key, {})
        if not isinstance(values, dict):
            raise self.refuse(key, f"is {_kind(values)}, not a table", f"write [{key}.NAME]")
        return {name: self._table(key, name, value) for name, value in values.items()}

    def _table(self, key: str, name: str, value: Any) -> Table:
        if not _NAME.fullmatch(name):
            raise self.refuse(
                f"{key}.{name}",
                "is not a usable name",
                "use letters, digits, dot, dash, underscore",
            )
        if not isinstance(value, dict):
            raise self.refuse(
                f"{key}.{name}", f"is {_kind(value)}, not a table", f"write [{key}.{name}]"
            )
        return Table(value, file=self._file, path=f"{self._full(key)}.{name}")

    def _full(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _base_url(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if valid and not set(text) & set(" ?#\\") else None


def _kind(value: object) -> str:
    kinds = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return kinds.get(type(value), "a date")
