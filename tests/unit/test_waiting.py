"""`agentkeys wait`: what is worth waiting for, how often it asks, and when it gives up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest

from agentkeys.errors import AgentkeysError, RemoteError
from agentkeys_shell.waiting import wait_for_lease

MINUTE = timedelta(minutes=1)


def refusal(code: str, message: str = "it broke", *, retryable: bool = False) -> RemoteError:
    return RemoteError(code, message, hint="mend it", retryable=retryable)


DOWN = refusal("broker_unreachable", "the broker did not answer", retryable=True)
NOTHING = -1
"""No lease is held."""
LOGGED_OUT = refusal("login_required", "nobody is logged in as me")


@dataclass
class Daemon:
    """Answers with the seconds that a lease has left, or with an error; counts on its own clock."""

    answers: Iterator[int | AgentkeysError]
    now: float = 1000.0
    slow: float = 0.0
    """Seconds that each answer takes."""
    asked: list[tuple[float, int, float]] = field(default_factory=list)
    """When, for how many seconds, and by when an answer was wanted."""

    def refresh(self, min_ttl_seconds: int, deadline: float) -> bytes:
        self.asked.append((self.now, min_ttl_seconds, deadline))
        self.now += self.slow
        found = next(self.answers)
        if isinstance(found, AgentkeysError):
            raise found
        profile = {
            "name": "data",
            "store": "lab",
            "expires_in_seconds": None if found == NOTHING else found,
            "expires_at": None if found == NOTHING else "2026-06-01T12:00:00Z",
        }
        return json.dumps({"profiles": [profile]}).encode()

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def wait(self, at_least: timedelta, timeout: timedelta | None = None) -> bytes | None:
        return wait_for_lease(
            self.refresh,
            at_least,
            timeout=timeout,
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )


def forever(problem: AgentkeysError) -> Iterator[AgentkeysError]:
    while True:
        yield problem


def test_a_lease_that_lasts_is_an_answer_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is said, and nobody is asked twice."""
    daemon = Daemon(iter([1200]))
    assert daemon.wait(20 * MINUTE)
    assert len(daemon.asked) == 1
    assert capfd.readouterr().err == ""


def test_it_asks_for_a_moment_more_than_it_needs() -> None:
    """So that what is just enough still is when the answer has come."""
    daemon = Daemon(iter([1200]))
    daemon.wait(20 * MINUTE)
    assert daemon.asked[0][1] == 1201


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(DOWN, id="a server is down"),
        pytest.param(refusal("daemon_timeout", retryable=True), id="the daemon is slow"),
        pytest.param(LOGGED_OUT, id="somebody must log in"),
        pytest.param(refusal("vault_locked"), id="somebody must unlock the keyring"),
        pytest.param(refusal("vault_unavailable"), id="the keyring hangs"),
        pytest.param(refusal("wrong_identity"), id="somebody else is logged in"),
        pytest.param(refusal("sts_answer_invalid"), id="a proxy answers for the store"),
    ],
)
def test_what_may_pass_is_waited_for(problem: AgentkeysError) -> None:
    """About once a second or two."""
    daemon = Daemon(iter([*[problem] * 9, 1200]))
    assert daemon.wait(20 * MINUTE)
    times = [at for at, _, _ in daemon.asked]
    assert all(1 <= later - at <= 2 for at, later in pairwise(times))


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(refusal("unknown_profile"), id="an unknown profile"),
        pytest.param(refusal("config_invalid"), id="a wrong configuration"),
        pytest.param(refusal("config_mismatch"), id="another configuration"),
        pytest.param(refusal("sts_refused"), id="a role that must not be assumed"),
        pytest.param(refusal("token_unconfined"), id="a token that confines nobody"),
        pytest.param(refusal("protocol_error"), id="an old daemon"),
    ],
)
def test_what_waiting_does_not_mend_ends_it(
    problem: AgentkeysError, capfd: pytest.CaptureFixture[str]
) -> None:
    """With that error; nothing is said twice."""
    daemon = Daemon(iter([problem]))
    with pytest.raises(RemoteError) as caught:
        daemon.wait(20 * MINUTE)
    assert caught.value is problem
    assert capfd.readouterr().err == ""


def test_sessions_that_are_too_short_end_it() -> None:
    """What has just been minted does not last, so the next one will not; it says what there is."""
    daemon = Daemon(iter([DOWN, 899]))
    with pytest.raises(AgentkeysError) as caught:
        daemon.wait(20 * MINUTE)
    assert caught.value.message == "lab gives data credentials for 14m 59s only, less than 20m"
    assert caught.value.exit_status == 1
    assert "duration" in caught.value.hint


def test_each_message_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    """With what to do; one that comes back is known already."""
    daemon = Daemon(iter([DOWN, DOWN, LOGGED_OUT, DOWN, LOGGED_OUT, 1200]))
    daemon.wait(20 * MINUTE)
    assert capfd.readouterr().err.splitlines() == [
        "agentkeys: waiting: the broker did not answer",
        "agentkeys: hint: mend it",
        "agentkeys: waiting: nobody is logged in as me",
        "agentkeys: hint: mend it",
    ]


def test_without_a_timeout_it_does_not_give_up() -> None:
    """Not in an hour."""
    daemon = Daemon(iter([*[DOWN] * 2400, 1200]))
    assert daemon.wait(20 * MINUTE)
    assert daemon.now - 1000 >= 3600


@pytest.mark.parametrize("slow", [0.0, 0.7, 100.0])
def test_with_a_timeout_it_gives_up_in_time(slow: float) -> None:
    """It wants no answer later than that, and not later than any client does."""
    daemon = Daemon(forever(DOWN), slow=slow)
    assert daemon.wait(20 * MINUTE, timeout=MINUTE) is None
    assert daemon.now >= 1060
    for at, _, deadline in daemon.asked:
        assert at < deadline <= min(1060, at + 25)


def test_an_answer_that_comes_too_late_is_not_complained_about(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It came too late because the time was up."""
    assert Daemon(forever(DOWN), slow=60).wait(20 * MINUTE, timeout=MINUTE) is None
    assert capfd.readouterr().err == ""


def test_what_was_forgotten_on_its_way_is_asked_for_again() -> None:
    """Nothing is held: that says nothing about what the store gives."""
    daemon = Daemon(iter([NOTHING, 3600]))
    assert daemon.wait(20 * MINUTE)
    assert len(daemon.asked) == 2
