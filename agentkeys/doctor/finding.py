"""What a step of the doctor says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from agentkeys.errors import USER_MUST_ACT, AgentkeysError, ProtocolError

__all__ = [
    "STEPS",
    "Finding",
    "Outcome",
    "failed",
    "from_error",
    "ok",
    "parse_finding",
    "skipped",
    "warning",
    "worst",
]

STEPS = (
    "config",
    "folders",
    "socket",
    "daemon",
    "keyring",
    "memory",
    "ledger",
    "clock",
    "server",
    "discovery",
    "keys",
    "session",
    "token",
    "confinement",
    "store",
    "role",
    "lifetime",
    "isolation",
)
"""In the order in which they are told; the first four are whoever asks the daemon's own."""


class Outcome(Enum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The worst that one step has found; holds no secret."""

    step: str
    """One of STEPS."""
    outcome: Outcome
    message: str
    """Lower case, no full stop: what is so, or why the step was skipped."""
    hint: str | None = None
    """What to do about it; None where there is nothing to do."""
    code: str | None = None
    """A stable name for the diagnosis; None where all is well or nothing was looked at."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was seen, of what JSON can hold."""

    @property
    def needs_user(self) -> bool:
        """Whether only a person can help, by logging in or unlocking."""
        return self.code in USER_MUST_ACT

    def to_document(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "outcome": self.outcome.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "facts": dict(self.facts),
        }


def parse_finding(document: object) -> Finding:
    """Of `to_document`'s form; raises ProtocolError."""
    if not isinstance(document, Mapping):
        raise _no_finding()
    step, message, facts = (document.get(name) for name in ("step", "message", "facts"))
    hint, code = document.get("hint"), document.get("code")
    outcomes = {outcome.value: outcome for outcome in Outcome}
    outcome = outcomes.get(str(document.get("outcome")))
    if outcome is None or not isinstance(step, str) or not isinstance(message, str):
        raise _no_finding()
    if not (_is_text_or_none(hint) and _is_text_or_none(code) and isinstance(facts, Mapping)):
        raise _no_finding()
    return Finding(step, outcome, message, hint, code, dict(facts))


def worst(findings: Iterable[Finding]) -> Outcome:
    """Failed, else warning, else ok: how the walk as a whole has ended."""
    outcomes = {finding.outcome for finding in findings}
    for outcome in (Outcome.FAILED, Outcome.WARNING):
        if outcome in outcomes:
            return outcome
    return Outcome.OK


def ok(step: str, message: str, **facts: Any) -> Finding:
    """All is well."""
    return Finding(step, Outcome.OK, message, facts=facts)


def skipped(step: str, why: str) -> Finding:
    """Nothing was looked at."""
    return Finding(step, Outcome.SKIPPED, why)


def warning(step: str, code: str, message: str, hint: str, **facts: Any) -> Finding:
    """It works, but not as well as it should, or not for long."""
    return Finding(step, Outcome.WARNING, message, hint, code, facts)


def failed(step: str, code: str, message: str, hint: str, **facts: Any) -> Finding:
    """Credentials cannot be had, or would not be confined."""
    return Finding(step, Outcome.FAILED, message, hint, code, facts)


def from_error(step: str, problem: AgentkeysError, **facts: Any) -> Finding:
    """What an error says is what the step says."""
    return Finding(step, Outcome.FAILED, problem.message, problem.hint or None, problem.code, facts)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _no_finding() -> ProtocolError:
    return ProtocolError(
        "the daemon's answer holds something else than findings",
        hint="run: agentkeys daemon restart",
    )
