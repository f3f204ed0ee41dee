"""The measures, one by one, and what became of each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Hardening", "Measures", "harden"]


class Measures(Protocol):
    """What one system can do for the process that calls; each raises OSError where it cannot.

    Or ImportError, where our Python lacks what it takes.
    """

    def turn_core_dumps_off(self) -> None:
        """No file, and no program that collects them, gets our memory when we crash."""

    def turn_ptrace_off(self) -> None:
        """No debugger of this user attaches to us."""

    def lock_memory(self) -> None:
        """Nothing that we hold is written to swap; takes no more memory than is used anyway."""

    def forbid_new_privileges(self) -> None:
        """Nothing that we run becomes more than we are, setuid programs included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """What holds for this process from now on."""

    core_dumps_off: bool
    ptrace_off: bool
    memory_locked: bool
    no_new_privileges: bool
    why_not: dict[str, str] = field(default_factory=dict)
    """For people, by the names above: what the system said, or what it would have needed."""

    def as_claims(self) -> dict[str, bool]:
        """The four by name, as `health` tells them."""
        return {
            "core_dumps_off": self.core_dumps_off,
            "ptrace_off": self.ptrace_off,
            "memory_locked": self.memory_locked,
            "no_new_privileges": self.no_new_privileges,
        }


def harden(measures: Measures | None = None) -> Hardening:
    """Takes all measures that this system has, and never raises: half of them is better than none.

    To be called before any secret is read, and again after each exec, which undoes all but the
    last. A second call changes nothing.
    """
    found = measures or _of_this_system()
    why_not: dict[str, str] = {}

    def took(name: str, take: Callable[[], None]) -> bool:
        try:
            take()
        except (ImportError, OSError) as problem:
            why_not[name] = getattr(problem, "strerror", None) or str(problem)
        return name not in why_not

    return Hardening(
        core_dumps_off=took("core_dumps_off", found.turn_core_dumps_off),
        ptrace_off=took("ptrace_off", found.turn_ptrace_off),
        memory_locked=took("memory_locked", found.lock_memory),
        no_new_privileges=took("no_new_privileges", found.forbid_new_privileges),
        why_not=why_not,
    )


def _of_this_system() -> Measures:
    # Each loads what its own system alone has.
    if sys.platform == "darwin":
        from agentkeys.hardening.macos import MacMeasures  # noqa: PLC0415

        return MacMeasures()
    from agentkeys.hardening.linux import LinuxMeasures  # noqa: PLC0415

    return LinuxMeasures()
