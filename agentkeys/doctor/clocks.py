"""Whose clock is wrong: ours, the token's issuer's, or the store's."""

from __future__ import annotations

from datetime import timedelta

from agentkeys.doctor.finding import Finding, failed, ok, skipped, warning
from agentkeys.server_times import MATTERS

__all__ = ["examine_clocks"]

SIGNATURES_FAIL = timedelta(minutes=15)
"""Stores refuse signed requests that are further off than this."""

TOKENS_FAIL = timedelta(minutes=5)
"""What tokens live for: a store this much ahead of the issuer takes none."""

_SET_OURS = "set this machine's clock, for example by NTP"


def examine_clocks(*, server: timedelta | None, store: timedelta | None) -> Finding:
    """`server` and `store` are how far ahead of ours their clocks are; None where unknown."""
    facts = {"server_seconds": _seconds(server), "store_seconds": _seconds(store)}
    if server is None and store is None:
        return skipped("clock", "no server has told what time it has")
    if server is not None and store is not None:
        return _compare(server, store, facts)
    whose, skew = ("the issuer", server) if store is None else ("the store", store)
    off = skew or timedelta(0)
    if abs(off) < MATTERS:
        return ok("clock", f"this machine and {whose} agree on the time", **facts)
    how = failed if abs(off) >= SIGNATURES_FAIL else warning
    return how(
        "clock",
        "clock_skew",
        f"this machine's clock is {_off(-off)} that of {whose}",
        f"{_SET_OURS}; if it is right, theirs is wrong",
        **facts,
    )


def _compare(server: timedelta, store: timedelta, facts: dict[str, int | None]) -> Finding:
    apart = store - server
    if abs(apart) >= MATTERS:
        # Against two that agree, or the one that agrees with us, the third is wrong.
        is_store = abs(server) <= abs(store)
        whose, other = ("store", "issuer") if is_store else ("issuer", "store")
        how = failed if abs(apart) >= TOKENS_FAIL else warning
        return how(
            "clock",
            f"{whose}_clock_wrong",
            f"the {whose}'s clock is {_off(apart if is_store else -apart)} that of the {other}",
            f"have the {whose}'s clock set: a token counts by the clocks of both",
            **facts,
        )
    if abs(store) >= MATTERS:
        how = failed if abs(store) >= SIGNATURES_FAIL else warning
        return how(
            "clock",
            "own_clock_wrong",
            f"this machine's clock is {_off(-store)} those of issuer and store",
            f"{_SET_OURS}: stores refuse requests that are minutes off",
            **facts,
        )
    return ok("clock", "this machine, issuer and store agree on the time", **facts)


def _off(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    size = f"{abs(seconds)} s" if abs(seconds) < 120 else f"{round(abs(seconds) / 60)} min"
    return f"{size} {'ahead of' if seconds > 0 else 'behind'}"


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else round(span.total_seconds())
