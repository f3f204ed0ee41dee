"""Findings for people: a line each, and below what is wrong what to do about it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from agentkeys.doctor import STEPS, Finding, Outcome, worst

__all__ = ["FindingPrinter"]

_NARROWEST = 40
_WIDEST = 110
"""Columns: longer lines are hard to read, whatever the terminal has."""


@dataclass(frozen=True, slots=True)
class _Marks:
    of: dict[Outcome, str]
    hint: str

    @property
    def width(self) -> int:
        return max(map(len, self.of.values()))


_SIGNS = _Marks(
    {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.SKIPPED: "–"},
    "→ ",
)
_LETTERS = _Marks(
    {Outcome.OK: "ok", Outcome.WARNING: "warn", Outcome.FAILED: "FAIL", Outcome.SKIPPED: "skip"},
    "-> ",
)
_STYLE = {
    Outcome.OK: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.SKIPPED: "dim",
}

_COUNTED = {
    Outcome.FAILED: "failed",
    Outcome.WARNING: "warning",
    Outcome.OK: "ok",
    Outcome.SKIPPED: "skipped",
}


class FindingPrinter:
    """Prints findings as they come, aligned, and in the end what they amount to.

    Steps that are skipped one after the other for the same reason share a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._marks = _SIGNS if console.encoding.lower().startswith("utf") else _LETTERS
        self._name_width = max(map(len, STEPS))
        self._skipped: list[Finding] = []

    def show(self, finding: Finding) -> None:
        """May hold a skipped step back until the next one is known."""
        if self._skipped and self._skipped[-1].message != finding.message:
            self._show_skipped()
        if finding.outcome is Outcome.SKIPPED:
            self._skipped.append(finding)
        else:
            self._show(finding.step, finding.outcome, finding.message, finding.hint)

    def sum_up(self, findings: Sequence[Finding]) -> None:
        """The last line: whether it works, how many of what, and where to begin."""
        self._show_skipped()
        counts = Counter(finding.outcome for finding in findings)
        told = ", ".join(
            f"{count} {words}{'s' if words == 'warning' and count > 1 else ''}"
            for outcome, words in _COUNTED.items()
            if (count := counts[outcome])
        )
        self._print(("", ""))
        self._print((f"{_verdict(findings)} ", _STYLE[worst(findings)]), (f"({told})", "dim"))

    def _show_skipped(self) -> None:
        if not self._skipped:
            return
        first, *rest = self._skipped
        why = first.message
        if rest:
            words = "and" if len(rest) == 1 else "and all up to"
            why = f"{words} {rest[-1].step}: {why}"
        self._show(first.step, Outcome.SKIPPED, why, None)
        self._skipped = []

    def _show(self, step: str, outcome: Outcome, message: str, hint: str | None) -> None:
        mark = self._marks.of[outcome].ljust(self._marks.width)
        name = step.ljust(self._name_width)
        indent = " " * (len(mark) + 1 + len(name) + 2)
        style = _STYLE[outcome]
        first, *rest = self._lines(message, indent)
        self._print(
            (f"{mark} ", style),
            (f"{name}  ", "" if outcome is Outcome.OK else style),
            (first, "dim" if outcome is Outcome.SKIPPED else ""),
        )
        for line in rest:
            self._print((indent + line, ""))
        if hint:
            self._show_hint(hint, indent)

    def _show_hint(self, hint: str, indent: str) -> None:
        arrow = self._marks.hint
        first, *rest = self._lines(hint, indent + " " * len(arrow))
        self._print((indent + arrow + first, "cyan"))
        for line in rest:
            self._print((indent + " " * len(arrow) + line, "cyan"))

    def _lines(self, words: str, indent: str) -> list[str]:
        """Broken between words where a person reads; whole where a program does."""
        line = "".join(char if char.isprintable() else "?" for char in words)
        if not self._console.is_terminal:
            return [line]
        width = max(_NARROWEST, min(self._console.width, _WIDEST) - len(indent))
        return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]

    def _print(self, *parts: tuple[str, str]) -> None:
        encoding = self._console.encoding
        text = Text()
        for words, style in parts:
            text.append(words.encode(encoding, "replace").decode(encoding), style)
        self._console.print(text, soft_wrap=True)


def _verdict(findings: Sequence[Finding]) -> str:
    failed = [finding for finding in findings if finding.outcome is Outcome.FAILED]
    if not failed:
        return "it works" if worst(findings) is Outcome.WARNING else "all is well"
    if all(finding.needs_user for finding in failed):
        return f"it is your turn: see {failed[0].step}"
    return f"it does not work: begin with {failed[0].step}"
