"""What the doctor's findings look like to people."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from agentkeys.doctor import Finding
from agentkeys.doctor.finding import failed, ok, skipped, warning
from agentkeys_shell.doctor import FindingPrinter

FINDINGS = (
    ok("config", "/etc/a.toml, profile data"),
    warning("keyring", "vault_memory", "kept in memory alone", "unlock the keyring"),
    failed("token", "wrong_audience", "the token is for x, not y", 'set audience = "y"'),
    skipped("store", "needs a token"),
    skipped("role", "needs a token"),
    skipped("isolation", "the profile has no bucket"),
)


def shown(
    findings: Sequence[Finding],
    *,
    encoding: str = "utf-8",
    width: int = 1000,
    terminal: bool = False,
) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, force_terminal=terminal, no_color=True)
    printer = FindingPrinter(console)
    for finding in findings:
        printer.show(finding)
    printer.sum_up(findings)
    file.flush()
    return raw.getvalue().decode(encoding)


def test_a_line_for_each_step_and_a_hint_below_what_is_wrong() -> None:
    """Aligned, and in the end where to begin."""
    assert shown(FINDINGS) == (
        "✓ config       /etc/a.toml, profile data\n"
        "! keyring      kept in memory alone\n"
        "               → unlock the keyring\n"
        "✗ token        the token is for x, not y\n"
        '               → set audience = "y"\n'
        "– store        and role: needs a token\n"
        "– isolation    the profile has no bucket\n"
        "\n"
        "it does not work: begin with token (1 failed, 1 warning, 1 ok, 3 skipped)\n"
    )


def test_where_signs_cannot_be_shown_there_are_letters() -> None:
    """And what else the encoding lacks is a question mark rather than a traceback."""
    findings = (*FINDINGS[:3], ok("keys", "of ключ"))
    assert shown(findings, encoding="latin-1") == (
        "ok   config       /etc/a.toml, profile data\n"
        "warn keyring      kept in memory alone\n"
        "                  -> unlock the keyring\n"
        "FAIL token        the token is for x, not y\n"
        '                  -> set audience = "y"\n'
        "ok   keys         of ????\n"
        "\n"
        "it does not work: begin with token (1 failed, 1 warning, 2 ok)\n"
    )


def test_on_a_terminal_long_lines_are_broken_below_their_beginning() -> None:
    """In a pipe they are not broken at all."""
    long = ok("config", " ".join(["word"] * 30))
    lines = shown([long], width=60, terminal=True).splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert [line[:15] for line in lines[1:4]] == [" " * 15] * 3
    assert len(shown([long]).splitlines()[0]) == 15 + 5 * 30 - 1


@pytest.mark.parametrize("words", ["a\nb", "a\x1b[31mb", "a\udcffb", "[bold]x[/]"])
def test_other_people_s_words_stay_words(words: str) -> None:
    """No line's end, no escape and no markup of theirs counts."""
    (line, *_) = shown([ok("server", words)]).splitlines()
    assert line.startswith("✓ server       ")
    assert "\x1b" not in line
    assert "[bold]" in line or "?" in line


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        (FINDINGS[:1], "all is well (1 ok)"),
        (FINDINGS[:2], "it works (1 warning, 1 ok)"),
        (
            [failed("session", "login_required", "nobody is logged in", "run: agentkeys login")],
            "it is your turn: see session (1 failed)",
        ),
    ],
)
def test_the_last_line_sums_up(findings: Sequence[Finding], words: str) -> None:
    """Whether it works comes first."""
    assert shown(findings).splitlines()[-1] == words
