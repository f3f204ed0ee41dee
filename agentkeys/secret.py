"""A string that does not print.

Whatever opens something (a session, a token, a secret key) is a `Secret` from the moment it is
read. `.reveal()` is called only where the value leaves the process on purpose: the keyring, a
request to broker or STS, the socket, a program's output.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, NoReturn

__all__ = ["Secret"]


class Secret:
    """Holds one secret string; every repr, format, log and traceback shows `Secret(…)`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def fingerprint(self) -> str:
        """Lower-case hex SHA-256 of the value: names it in a ledger without giving it away."""
        return hashlib.sha256(self._encoded()).hexdigest()

    def _encoded(self) -> bytes:
        # JSON can hold half a surrogate pair, and the error about one would carry the value.
        return self._value.encode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._encoded(), other._encoded())

    def __hash__(self) -> int:
        return hash((Secret, self.fingerprint()))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __getstate__(self) -> NoReturn:
        # Object's own hands out the value: libraries that write objects down ask for it.
        raise TypeError("a Secret gives its state to nobody")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self
