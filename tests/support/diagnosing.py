"""What `agentkeys doctor` says, looked at as a whole each time."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.doctor import STEPS
from tests.support.place import assert_keeps_secrets
from tests.support.programs import Home

__all__ = ["CONFIG", "Diagnosis", "diagnose"]

CONFIG = """
[identities.me]
source = "broker"
url = "http://127.0.0.1:9"

[profiles.data]
identity = "me"
role_arn = "arn:aws:iam::111122223333:role/data"
"""
"""Sound, with a broker that does not answer."""

_STATUS_OF = {"ok": (0,), "warning": (0,), "failed": (1, 3)}


@dataclass(frozen=True)
class Diagnosis:
    """One walk through all steps."""

    status: int
    outcome: str
    profile: str | None
    steps: Mapping[str, Mapping[str, Any]]

    @property
    def complaints(self) -> list[tuple[str, str, str]]:
        """Step, outcome and code of all that is not as it should be, in order."""
        return [
            (name, step["outcome"], step["code"])
            for name, step in self.steps.items()
            if step["outcome"] in ("failed", "warning")
        ]

    @property
    def skipped(self) -> list[str]:
        return [name for name, step in self.steps.items() if step["outcome"] == "skipped"]

    def said(self, step: str) -> str:
        """Message and hint."""
        found = self.steps[step]
        return f"{found['message']} | {found['hint']}"


def diagnose(
    home: Home,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    sessions: Collection[str] = (),
) -> Diagnosis:
    """What `doctor --json` says, after a check of all that holds for any fault whatever."""
    done = home.run("agentkeys", "doctor", *arguments, "--json", env=env)
    assert done.stderr == "", done
    document = json.loads(done.stdout)
    assert document["version"] == 1
    steps = document["steps"]
    assert [step["step"] for step in steps] == list(STEPS)
    assert done.status in _STATUS_OF[document["outcome"]]
    for step in steps:
        _check_step(step)
    assert_keeps_secrets(done.stdout, sessions)
    named = {step["step"]: step for step in steps}
    return Diagnosis(done.status, document["outcome"], document["profile"], named)


def _check_step(step: Mapping[str, Any]) -> None:
    """What is wrong has a name and a hint, and all of it is worded as everything else is."""
    assert set(step) == {"step", "outcome", "code", "message", "hint", "facts"}
    is_wrong = step["outcome"] in ("failed", "warning")
    assert step["code"] != "unforeseen", step
    assert bool(step["code"]) == is_wrong, step
    assert bool(step["hint"]) or not is_wrong, step
    for words in (step["message"], step["hint"] or "-"):
        assert words == words.strip(), step
        assert words.isprintable(), step
        assert not re.search(r"[^.]\.$", words), step
