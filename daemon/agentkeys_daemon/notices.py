"""What a user should know although nothing has failed: wrong clocks, sessions that are short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agentkeys.config import Identity, Profile
from agentkeys.leases import SHORTEST, Lease
from agentkeys.server_times import MATTERS

__all__ = ["Notice", "ToldOnce", "broker_clock", "short_session", "store_clock"]


@dataclass(frozen=True, slots=True)
class Notice:
    """`about` is the identity or profile that it concerns."""

    code: str
    about: str
    message: str
    hint: str


class ToldOnce:
    """Remembers what a person has been told already, for as long as the daemon lives."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def is_news(self, notice: Notice) -> bool:
        """Whether nothing of the kind has been told about the same; from now on it has."""
        what = (notice.code, notice.about)
        is_news = what not in self._told
        self._told.add(what)
        return is_news


_SERVERS = {"sandbox": "broker", "oidc": "issuer"}


def broker_clock(identity: Identity, skew: timedelta | None) -> Notice | None:
    """That our clock and that of whoever signs the tokens are far apart, if they are."""
    return _clock(
        identity.name, f"the {_SERVERS.get(identity.source, identity.source)} {identity.url}", skew
    )


def store_clock(profile: Profile, skew: timedelta | None) -> Notice | None:
    """That our clock and the store's are far apart, if they are."""
    return _clock(profile.name, f"the STS of {profile.store.name}", skew)


def short_session(profile: Profile, lease: Lease | None) -> Notice | None:
    """That a store gives less than AWS SDKs are comfortable with, if it does."""
    # A store may round to seconds, and the call itself takes some.
    if lease is None or lease.lifetime >= SHORTEST - timedelta(seconds=30):
        return None
    return Notice(
        "short_session",
        profile.name,
        f"{profile.store.name} gives credentials for {_words(lease.lifetime)} only:"
        " AWS SDKs ask again at every call when less than 15m are left",
        f"raise the role's longest session and the profile's duration to {_words(SHORTEST)} or more"
        if profile.duration < SHORTEST
        else f"raise the longest session of the role or store to {_words(SHORTEST)} or more",
    )


def _clock(about: str, whose: str, skew: timedelta | None) -> Notice | None:
    if skew is None or abs(skew) < MATTERS:
        return None
    where = "behind" if skew > timedelta(0) else "ahead of"
    return Notice(
        "clock_skew",
        about,
        f"this machine's clock is {_words(abs(skew))} {where} that of {whose}",
        "set the clock, for example by NTP: stores refuse requests that are minutes off",
    )


def _words(span: timedelta) -> str:
    """`45s`, `10m`, `2h 5m`."""
    seconds = round(span.total_seconds())
    if seconds < 120:
        return f"{seconds}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"
