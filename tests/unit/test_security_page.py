"""SECURITY.md: every promise leads to the test that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\[([^\]]+)\]\(([^)]+)\)", PAGE)
PROMISES = PAGE.partition("## What is promised")[2].partition("\n## ")[0].strip().split("\n\n")[1:]


@pytest.mark.parametrize(("words", "target"), LINKS)
def test_each_link_leads_somewhere(words: str, target: str) -> None:
    """To a file that is there and, where one is named, to a test in it."""
    path = ROOT / target
    assert path.is_file()
    name = words.partition("::")[2]
    if name:
        assert re.search(rf"^def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.partition("**")[2][:40])
def test_each_promise_has_a_test(promise: str) -> None:
    """A bold sentence says it, links show it."""
    assert re.match(r"\*\*.+\.\*\*", promise)
    assert re.search(r"\]\(tests/\S+\.py\)", promise)


def test_there_are_promises() -> None:
    """So that the page cannot pass by having none."""
    assert len(PROMISES) >= 15
