"""What a session was last given, and when it has to ask the daemon again.

SDKs ask at every call once less than 15 minutes are left, some of them field by field, and fail
the call when a refresh fails although what they hold is still good. So answers repeat themselves
for a moment, and a failure passes unnoticed while there is something to go on with.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from agentkeys.clock import Clock, format_utc
from agentkeys.errors import AgentkeysError, ConfigMismatch, WrongIdentity
from agentkeys.protocol import CLIENT_DEADLINE
from agentkeys.served import ServedCredentials

__all__ = ["Held", "as_metadata"]

log = logging.getLogger("agentkeys.aws")

_LAST = timedelta(seconds=1)
"""Too little to send a request with."""
_REST = timedelta(seconds=5)
_REST_AFTER_FAILURE = timedelta(seconds=30)
_PLACE = ("endpoint_url", "region", "bucket", "prefix")
_PATIENCE = 5.0
"""Seconds that a call waits for the daemon although it has something to go on with."""


class Held:
    """The credentials of one session, and its promise to stay whose it is.

    Not locked: the SDKs let one caller at a time refresh. Threads that come together nevertheless
    ask once too often at worst.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._served: ServedCredentials | None = None
        self._rest_until = 0.0

    @property
    def patience(self) -> float:
        """Seconds to wait for the daemon's next answer."""
        return CLIENT_DEADLINE if self._good() is None else _PATIENCE

    def resting(self) -> ServedCredentials | None:
        """What to go on with unasked; None when it is time to ask."""
        return self._good() if self._clock.monotonic() < self._rest_until else None

    def take(self, served: ServedCredentials) -> ServedCredentials:
        """Holds a new answer from now on.

        Raises WrongIdentity for one of another user and ConfigMismatch for one of another place: a
        program that found its bucket and prefix here, and clients that hold an endpoint, go on with
        what they were made with.
        """
        first = self._served
        if first is not None:
            _check_same(first, served)
        self._served = served
        self._rest(served, _REST)
        return served

    def in_spite_of(self, problem: AgentkeysError) -> ServedCredentials:
        """What is still good although asking failed; raises `problem` if nothing is."""
        good = self._good()
        if good is None:
            raise problem
        log.warning(
            "credentials of profile %s could not be refreshed, those held last until %s: %s (%s)",
            good.profile,
            format_utc(good.expires_at),
            problem.message,
            problem.hint,
        )
        self._rest(good, _REST_AFTER_FAILURE)
        return good

    def _good(self) -> ServedCredentials | None:
        served = self._served
        return served if served is not None and self._left(served) > _LAST else None

    def _rest(self, served: ServedCredentials, longest: timedelta) -> None:
        """Not for long where little is left: what comes next has longer to live."""
        rest = min(longest, self._left(served) / 10)
        self._rest_until = self._clock.monotonic() + rest.total_seconds()

    def _left(self, served: ServedCredentials) -> timedelta:
        return served.expires_at - self._clock.now()


def as_metadata(served: ServedCredentials) -> dict[str, str]:
    """Credentials as botocore wants them of a refresh, secrets in the clear."""
    return {
        "access_key": served.access_key_id,
        "secret_key": served.secret_access_key.reveal(),
        "token": served.session_token.reveal(),
        "expiry_time": format_utc(served.expires_at),
    }


def _check_same(first: ServedCredentials, served: ServedCredentials) -> None:
    hint = "make a new session, or start the program again"
    if first.wallet != served.wallet:
        raise WrongIdentity(
            f"profile {first.profile} is another user's now:"
            f" {served.wallet or 'nobody'} and not {first.wallet or 'nobody'}",
            hint=hint,
        )
    for name in _PLACE:
        old, new = getattr(first, name), getattr(served, name)
        if old != new:
            raise ConfigMismatch(
                f"the {name} of profile {first.profile} has changed: {new} and not {old}", hint=hint
            )
