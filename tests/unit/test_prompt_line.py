"""What the daemon makes of a profile's status for a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from agentkeys_daemon.prompt import prompt_line


def told(
    *,
    session: str = "live",
    left: int | None = None,
    source: str = "broker",
    wallet: str | None = None,
    subject: str | None = None,
) -> dict[str, Any]:
    """The part of a status document that counts."""
    return {
        "profiles": [{"name": "data", "expires_in_seconds": left}],
        "identities": [
            {"session": session, "source": source, "wallet": wallet, "subject": subject}
        ],
    }


@pytest.mark.parametrize(
    ("session", "left", "state"),
    [
        ("live", 2520, "valid"),
        ("live", 0, "expired"),
        ("live", None, "none"),
        ("unknown", None, "none"),
        ("unknown", 60, "valid"),
        ("none", None, "login"),
        ("expired", 0, "login"),
        ("refused", 2520, "login"),
    ],
)
def test_the_state_is_what_somebody_has_to_know(session: str, left: int | None, state: str) -> None:
    """That of the session comes first, for the lease will not be renewed without it."""
    fields = prompt_line(told(session=session, left=left)).removesuffix("\n").split("\t")
    assert fields == ["data", "", "" if left is None else str(left), state]


def test_a_made_up_user_never_has_to_log_in() -> None:
    """A sandbox's logs in by itself."""
    assert prompt_line(told(session="none", source="sandbox")).endswith("\tnone\n")


def test_somebody_is_a_wallet_or_else_a_subject() -> None:
    """As far as it is known."""
    lines = [told(wallet="0xabc", subject="s"), told(subject="s"), told()]
    assert [prompt_line(line).split("\t")[1] for line in lines] == ["0xabc", "s", ""]
