"""Entries of any size in a keyring that takes small ones only."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.errors import KeyringLocked, PasswordSetError

from agentkeys.vault.backends import NoCollection
from agentkeys.vault.chunks import ChunkedEntries, DamagedEntry

ME = "me@lab"
LARGEST = 2560
LOOKS_LIKE_AN_INDEX = "agentkeys in parts: a 3 " + "0" * 64


class Killed(BaseException):
    """Stands for SIGKILL: nothing that runs in the process sees it coming."""


class SmallEntries:
    """Entries of up to `largest` bytes of UTF-16; dies instead of one of its changes."""

    def __init__(self, kept: dict[str, str], *, largest: int = LARGEST) -> None:
        self.kept = kept
        self.largest = largest
        self.refusal: Exception = PasswordSetError("the stub received bad data")
        self.gets = 0
        self.refused = 0
        self.changes_left: int | None = None
        self.meanwhile: list[Callable[[], None]] = []
        """What others do after our next reads, one after each."""

    def get(self, name: str) -> str | None:
        self.gets += 1
        found = self.kept.get(name)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return found

    def put(self, name: str, text: str) -> None:
        if len(text.encode("utf-16-le")) > self.largest:
            self.refused += 1
            raise self.refusal
        self._change()
        self.kept[name] = text

    def remove(self, name: str) -> None:
        self._change()
        self.kept.pop(name, None)

    def _change(self) -> None:
        if self.changes_left is not None:
            if self.changes_left == 0:
                raise Killed
            self.changes_left -= 1


def keyring_with(text: str | None) -> dict[str, str]:
    """What a keyring keeps after `text` was saved in it, if one was."""
    kept: dict[str, str] = {}
    if text is not None:
        ChunkedEntries(SmallEntries(kept)).save(ME, text)
    return kept


def load(kept: dict[str, str]) -> str | None:
    """What a later process finds."""
    return ChunkedEntries(SmallEntries(kept)).load(ME)


def holds_nothing_else(kept: dict[str, str]) -> bool:
    """Whether every entry is the account's own or a part that it speaks of."""
    index = re.fullmatch(r"agentkeys in parts: (.) (\d+) \w{64}", kept[ME])
    parts = [f"{ME}, part {index[1]}{n}" for n in range(1, int(index[2]) + 1)] if index else []
    return kept.keys() == {ME, *parts}


texts = st.one_of(
    st.text(max_size=20),
    st.builds(lambda piece, times: piece * times, st.text(min_size=1), st.integers(1, 4000)),
    st.just(LOOKS_LIKE_AN_INDEX),
)
"""Short and long, ASCII and not; what is longest is about twenty parts."""


@given(text=texts, limit=st.sampled_from([None, LARGEST, 3 * LARGEST]))
def test_any_text_comes_back(text: str, limit: int | None) -> None:
    """Whether the limit is known or found out."""
    small = SmallEntries({}, largest=limit or LARGEST)
    entries = ChunkedEntries(small, largest=limit)
    entries.save(ME, text)
    assert entries.load(ME) == load(small.kept) == text
    assert limit is None or not small.refused


@given(processes=st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_replaced_leaves_nothing(processes: list[list[str]]) -> None:
    """Neither parts of the old text nor more parts than the new one needs."""
    kept: dict[str, str] = {}
    for saved in processes:
        entries = ChunkedEntries(SmallEntries(kept))
        for text in saved:
            entries.save(ME, text)
            assert load(kept) == text
            assert holds_nothing_else(kept)


@given(saved=st.lists(texts, min_size=1, max_size=4))
def test_what_is_deleted_leaves_nothing(saved: list[str]) -> None:
    """Whatever the process has saved before."""
    kept: dict[str, str] = {}
    entries = ChunkedEntries(SmallEntries(kept))
    for text in saved:
        entries.save(ME, text)
    entries.delete(ME)
    assert kept == {}


def killed_at(kept: dict[str, str], change: int, work: Callable[[ChunkedEntries], object]) -> bool:
    """Whether a process that does `work` is killed before the end, at that change."""
    small = SmallEntries(kept)
    small.changes_left = change
    try:
        work(ChunkedEntries(small))
    except Killed:
        return True
    return False


@given(
    old=st.none() | texts,
    new=texts,
    change=st.integers(0, 45),
    again=st.lists(st.tuples(texts, st.integers(0, 45)), max_size=3),
    last=texts,
)
def test_killed_at_any_point_one_of_the_two_is_there(
    old: str | None, new: str, change: int, again: list[tuple[str, int]], last: str
) -> None:
    """However often, and the save that gets through removes what the others left."""
    kept = keyring_with(old)
    before = old
    for text, at in [(new, change), *again]:
        killed = killed_at(kept, at, partial(ChunkedEntries.save, account=ME, text=text))
        found = load(kept)
        assert found == text or (killed and found == before)
        before = found
    ChunkedEntries(SmallEntries(kept)).save(ME, last)
    assert load(kept) == last
    assert holds_nothing_else(kept)


@given(text=texts, change=st.integers(0, 25))
def test_a_deletion_killed_at_any_point_can_be_done_again(text: str, change: int) -> None:
    """Until then it is either whole or gone."""
    kept = keyring_with(text)
    if killed_at(kept, change, lambda entries: entries.delete(ME)):
        assert load(kept) in (None, text)
    ChunkedEntries(SmallEntries(kept)).delete(ME)
    assert kept == {}


@given(text=texts, change=st.integers(0, 25), later=st.integers(0, 25))
def test_the_next_load_finishes_a_deletion_that_was_killed(
    text: str, change: int, later: int
) -> None:
    """Or finds the text whole; even where the first such load is killed itself."""
    kept = keyring_with(text)
    killed_at(kept, change, lambda entries: entries.delete(ME))
    killed_at(kept, later, lambda entries: entries.load(ME))
    assert load(kept) in (None, text)
    assert not kept or load(kept) == text


@given(text=texts, change=st.integers(0, 25), new=texts)
def test_a_save_after_a_deletion_that_was_killed_leaves_nothing_else(
    text: str, change: int, new: str
) -> None:
    """A login that comes before any load."""
    kept = keyring_with(text)
    killed_at(kept, change, lambda entries: entries.delete(ME))
    ChunkedEntries(SmallEntries(kept)).save(ME, new)
    assert load(kept) == new
    assert holds_nothing_else(kept)


def test_a_small_text_is_one_entry() -> None:
    """Nothing changes for keyrings and texts that fit each other."""
    assert keyring_with("small") == {ME: "small"}


def test_a_large_text_stays_whole_where_it_fits() -> None:
    """No keyring is thought to be small before it has refused something."""
    roomy = SmallEntries({}, largest=1_000_000)
    ChunkedEntries(roomy).save(ME, "k" * 100_000)
    assert roomy.kept == {ME: "k" * 100_000}


def test_parts_say_whose_they_are() -> None:
    """For a person who looks into the keyring; no part is above the limit."""
    kept = keyring_with("k" * 3000)
    assert list(kept) == [f"{ME}, part a1", f"{ME}, part a2", f"{ME}, part a3", ME]
    assert kept[ME].startswith("agentkeys in parts: a 3 ")


def test_what_was_refused_once_is_not_offered_again() -> None:
    """By this process; the next one tries once more."""
    small = SmallEntries({})
    entries = ChunkedEntries(small)
    for text in ("k" * 5000, "l" * 5000, "m" * 2000):
        entries.save(ME, text)
    assert small.refused == 1
    ChunkedEntries(small).save(ME, "n" * 5000)
    assert small.refused == 2


def test_a_passing_failure_does_not_make_parts_for_good() -> None:
    """What it has put in parts is one entry again when a later process saves."""
    small = SmallEntries(keyring_with("k" * 5000), largest=1_000_000)
    assert len(small.kept) > 1
    ChunkedEntries(small).save(ME, "l" * 5000)
    assert small.kept == {ME: "l" * 5000}


def test_parts_are_looked_for_once() -> None:
    """A process that has found none, or removed them, only writes."""
    small = SmallEntries(keyring_with("k" * 5000))
    entries = ChunkedEntries(small)
    entries.save(ME, "small")
    assert set(small.kept) == {ME}
    gets = small.gets
    entries.save(ME, "smaller")
    entries.delete(ME)
    assert small.gets == gets


@pytest.mark.parametrize("refusal", [KeyringLocked("locked"), NoCollection("none")])
def test_a_keyring_that_takes_nothing_is_not_tried_with_less(refusal: Exception) -> None:
    """It has not said no to the size."""
    small = SmallEntries({})
    small.refusal = refusal
    with pytest.raises(type(refusal)):
        ChunkedEntries(small).save(ME, "k" * 5000)
    assert (small.refused, small.kept) == (1, {})


def test_what_is_refused_although_small_is_refused() -> None:
    """As the keyring words it, and once."""
    small = SmallEntries({}, largest=4)
    with pytest.raises(PasswordSetError, match="the stub received bad data"):
        ChunkedEntries(small).save(ME, "k" * 100)
    assert small.refused == 1


def test_a_keyring_that_refuses_parts_too_keeps_the_old_text() -> None:
    """And says why."""
    kept = {ME: "old"}
    with pytest.raises(PasswordSetError):
        ChunkedEntries(SmallEntries(kept, largest=8)).save(ME, "k" * 5000)
    assert load(kept) == "old"


@pytest.mark.parametrize("broken", ["missing", "another's", "unreadable index"])
@pytest.mark.parametrize("cure", ["save", "delete"])
def test_a_text_with_a_part_that_is_not_its_own_is_an_error(broken: str, cure: str) -> None:
    """And not a miss, since something is there; a login or a logout puts it right."""
    kept = keyring_with("k" * 5000)
    match broken:
        case "missing":
            del kept[f"{ME}, part a2"]
        case "another's":
            kept[f"{ME}, part a2"] = "l" * 1024
        case _:
            kept[ME] = "agentkeys in parts, as a later version has them"
    with pytest.raises(DamagedEntry, match=f"what is kept for {ME} is damaged, log in again"):
        load(kept)
    entries = ChunkedEntries(SmallEntries(kept))
    if cure == "save":
        entries.save(ME, "new")
        assert load(kept) == "new"
    else:
        entries.delete(ME)
        assert load(kept) is None


def nothing() -> None:
    """Nobody does anything."""


@pytest.mark.parametrize("text", ["l" * 5000, "small", None])
@pytest.mark.parametrize("reads", range(4))
def test_a_load_sees_what_was_saved_meanwhile(reads: int, text: str | None) -> None:
    """As the helper of a daemon that was killed does, while a new one reads: old or new, whole."""
    old = "k" * 5000
    small = SmallEntries(keyring_with(old))

    def finish() -> None:
        others = ChunkedEntries(SmallEntries(small.kept))
        if text is None:
            others.delete(ME)
        else:
            others.save(ME, text)

    small.meanwhile = [*[nothing] * reads, finish]
    assert ChunkedEntries(small).load(ME) in (old, text)
    assert ChunkedEntries(small).load(ME) == text


def test_a_load_sees_the_last_of_many_saves() -> None:
    """However many come while it reads."""
    small = SmallEntries(keyring_with("k" * 5000))
    others = ChunkedEntries(SmallEntries(small.kept))
    saves = [partial(others.save, ME, letter * 5000) for letter in "lmn"]
    # Each comes between a head and the first of its parts.
    small.meanwhile = [save if turn == 0 else nothing for save in saves for turn in range(6)]
    assert ChunkedEntries(small).load(ME) == "n" * 5000


class StubbornEntries(SmallEntries):
    """Takes anything and removes nothing."""

    def remove(self, name: str) -> None:
        raise PasswordSetError("cancelled")


def test_what_cannot_be_tidied_up_does_not_spoil_a_save() -> None:
    """The text is kept; a deletion, which promises that nothing is left, does raise."""
    kept = keyring_with("k" * 5000)
    entries = ChunkedEntries(StubbornEntries(kept))
    entries.save(ME, "small")
    assert load(kept) == "small"
    with pytest.raises(PasswordSetError):
        entries.delete(ME)
    ChunkedEntries(SmallEntries(kept)).save(ME, "small")
    assert kept == {ME: "small"}
