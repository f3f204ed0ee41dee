"""The steps about the daemon's own surroundings, and about whose clock is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentkeys.doctor import Finding, Outcome
from agentkeys.doctor.clocks import examine_clocks
from agentkeys.doctor.lifetime import examine_lifetime
from agentkeys.doctor.surroundings import examine_keyring, examine_ledger, examine_memory
from agentkeys.errors import AuditError, VaultError, VaultLocked, VaultUnavailable

SAFE = {
    "core_dumps_off": True,
    "ptrace_off": True,
    "memory_locked": True,
    "no_new_privileges": True,
}
BROKEN = AuditError("the ledger cannot be written: No space left on device", hint="make room")


def verdict(finding: Finding) -> tuple[str, str | None]:
    return finding.outcome.value, finding.code


# the keyring


def test_a_keyring_that_works_is_well() -> None:
    found = examine_keyring(kind="secret-service", detail="kept", trouble=None, logs_in=True)
    assert verdict(found) == ("ok", None)
    assert found.facts == {"kind": "secret-service"}


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (VaultLocked("the OS keyring is locked", hint="unlock it"), "vault_locked"),
        (VaultUnavailable("it did not answer", hint="restart it"), "vault_unavailable"),
    ],
)
def test_a_keyring_in_trouble_says_which(trouble: VaultError, code: str) -> None:
    """A locked one is for a person to unlock."""
    found = examine_keyring(kind="keychain", detail="", trouble=trouble, logs_in=True)
    assert verdict(found) == ("failed", code)
    assert found.needs_user == (code == "vault_locked")


@pytest.mark.parametrize(("logs_in", "outcome"), [(True, "warning"), (False, "ok")])
def test_memory_alone_matters_to_those_who_log_in(logs_in: bool, outcome: str) -> None:
    found = examine_keyring(kind="memory", detail="in memory", trouble=None, logs_in=logs_in)
    assert found.outcome.value == outcome


# the memory


@pytest.mark.parametrize(
    ("lacks", "has_swap", "verdict_"),
    [
        ((), True, ("ok", None)),
        (("memory_locked",), False, ("ok", None)),
        (("memory_locked",), True, ("warning", "memory_not_locked")),
        (("ptrace_off", "memory_locked"), True, ("warning", "ptrace_on")),
        (("core_dumps_off", "ptrace_off"), False, ("warning", "core_dumps_on")),
    ],
)
def test_each_gap_in_the_memory_has_its_name(
    lacks: tuple[str, ...], has_swap: bool, verdict_: tuple[str, str | None]
) -> None:
    """The worst of them; what is not locked only matters where there is swap."""
    hardening = SAFE | dict.fromkeys(lacks, False)
    assert verdict(examine_memory(hardening, has_swap=has_swap)) == verdict_


def test_a_daemon_that_tells_nothing_of_its_memory_is_not_accused() -> None:
    assert examine_memory(None, has_swap=True).outcome is Outcome.SKIPPED


# the ledger


@pytest.mark.parametrize(
    ("is_required", "verdict_"),
    [(False, ("warning", "ledger_unwritten")), (True, ("failed", "audit_required"))],
)
def test_a_ledger_that_cannot_be_written_stops_who_asked_for_it(
    is_required: bool, verdict_: tuple[str, str]
) -> None:
    """Others are told."""
    found = examine_ledger(BROKEN, is_required=is_required, head_trouble=None, facts={})
    assert verdict(found) == verdict_
    assert "No space left" in found.message
    assert found.hint == "make room"


def test_a_head_that_is_not_kept_is_told() -> None:
    """Without it, a ledger that was cut short looks like a whole one."""
    trouble = VaultLocked("the OS keyring is locked", hint="unlock it")
    found = examine_ledger(None, is_required=False, head_trouble=trouble, facts={"head": 3})
    assert verdict(found) == ("warning", "ledger_head_unkept")
    assert found.facts == {"head": 3, "required": False}
    assert examine_ledger(None, is_required=True, head_trouble=None, facts={}).code is None


# the clocks


@pytest.mark.parametrize(
    ("server", "store", "verdict_"),
    [
        (None, None, ("skipped", None)),
        (0, 0, ("ok", None)),
        (30, -20, ("ok", None)),
        (120, None, ("warning", "clock_skew")),
        (None, -1200, ("failed", "clock_skew")),
        (120, 121, ("warning", "own_clock_wrong")),
        (-1200, -1201, ("failed", "own_clock_wrong")),
        (0, 120, ("warning", "store_clock_wrong")),
        (0, 600, ("failed", "store_clock_wrong")),
        (-600, 0, ("failed", "issuer_clock_wrong")),
        (90, 0, ("warning", "issuer_clock_wrong")),
    ],
)
def test_the_clock_that_is_alone_is_the_wrong_one(
    server: int | None, store: int | None, verdict_: tuple[str, str | None]
) -> None:
    """Of three, two agree; of two, nobody knows which."""
    found = examine_clocks(
        server=None if server is None else timedelta(seconds=server),
        store=None if store is None else timedelta(seconds=store),
    )
    assert verdict(found) == verdict_


@pytest.mark.parametrize(
    ("server", "store", "words"),
    [
        (600, 600, "10 min behind those"),
        (-600, -600, "10 min ahead of those"),
        (0, 100, "the store's clock is 100 s ahead of that of the issuer"),
        (-100, 0, "the issuer's clock is 100 s behind that of the store"),
        (None, 300, "this machine's clock is 5 min behind that of the store"),
    ],
)
def test_it_says_in_which_direction(server: int | None, store: int, words: str) -> None:
    found = examine_clocks(
        server=None if server is None else timedelta(seconds=server),
        store=timedelta(seconds=store),
    )
    assert words in found.message


# how long sessions last


@pytest.mark.parametrize(
    ("got", "asked", "verdict_", "hint"),
    [
        (60, 60, ("ok", None), None),
        (20, 20, ("ok", None), None),
        (60, 120, ("warning", "session_clamped"), "set duration to 60 min"),
        (15, 15, ("warning", "session_short"), "raise duration"),
        (15, 60, ("warning", "session_short"), "raise the longest session"),
        (10, 60, ("warning", "session_below_mandatory"), "raise the longest session"),
        (5, 15, ("warning", "session_below_mandatory"), "raise duration"),
    ],
)
def test_a_session_is_held_against_the_windows_of_the_sdks(
    got: int, asked: int, verdict_: tuple[str, str | None], hint: str | None
) -> None:
    found = examine_lifetime(timedelta(minutes=got), timedelta(minutes=asked))
    assert verdict(found) == verdict_
    assert hint is None or hint in (found.hint or "")
    assert found.facts["got_seconds"] == got * 60
