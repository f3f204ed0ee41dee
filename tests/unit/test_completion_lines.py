"""A line that is still being typed, taken apart."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys_shell.completions import split_line

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)


@given(words=st.lists(TEXT, min_size=1), gap=st.sampled_from([" ", "  ", "\t"]))
def test_quoted_words_come_out_as_they_were(words: list[str], gap: str) -> None:
    """Each with the place where it begins."""
    quoted = [shlex.quote(word) for word in words]
    typed = split_line(gap.join(quoted))
    assert list(typed.words) == words
    line = gap.join(quoted)
    assert all(line[start:].startswith(q) for start, q in zip(typed.starts, quoted, strict=True))


@given(line=TEXT)
def test_any_line_has_a_last_word(line: str) -> None:
    """Which may be empty."""
    typed = split_line(line)
    assert len(typed.words) == len(typed.starts) >= 1
    assert all(0 <= start <= len(line) for start in typed.starts)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", [""]),
        ("agentkeys ", ["agentkeys", ""]),
        ("a 'b c", ["a", "b c"]),
        ('a "b \\" c', ["a", 'b " c']),
        ('a "b\\$c\\d', ["a", "b$c\\d"]),
        ("a b\\ c", ["a", "b c"]),
        ("a b\\", ["a", "b"]),
        ('a "b\\', ["a", "b"]),
        ("a --profile='x'\"y\"z", ["a", "--profile=xyz"]),
        ("a ''", ["a", ""]),
        ("a b\u00a0c", ["a", "b\u00a0c"]),
        ("a $HOME/x ~", ["a", "$HOME/x", "~"]),
    ],
)
def test_it_may_end_anywhere(line: str, words: list[str]) -> None:
    """Within a word, a quotation, or before the next one."""
    assert list(split_line(line).words) == words
