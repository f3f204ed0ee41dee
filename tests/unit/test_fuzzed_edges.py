"""What has to hold at every way in, for inputs near those that make sense, and for old findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.edges import EDGES, Edge

FINDINGS = Path(__file__).parent.parent / "fuzz" / "findings"
EACH = pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)


def near(edge: Edge) -> st.SearchStrategy[bytes]:
    """Pieces of inputs that make sense, in any order, with a few bytes changed or put in."""
    seeds = st.sampled_from(sorted(edge.seeds()))
    cut = st.integers(0, 400)
    pieces = st.builds(lambda seed, start, end: seed[start : start + end], seeds, cut, cut)
    odd = st.binary(max_size=8) | st.sampled_from(
        [b"\0", b"\r\n", b"\x1b[2J", b"${x}", b"/..", b"*"]
    )
    return st.lists(seeds | pieces | odd, max_size=5).map(b"".join)


@EACH
def test_what_a_fuzzer_begins_with_is_taken(edge: Edge) -> None:
    """Each seed keeps every promise."""
    for seed in edge.seeds():
        edge.check(seed)


@EACH
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_every_promise_holds_for_made_up_inputs(edge: Edge, data: st.DataObject) -> None:
    """Near those that make sense, and far away."""
    edge.check(data.draw(near(edge) | st.binary(max_size=200)))


@EACH
def test_findings_stay_mended(edge: Edge) -> None:
    """Whatever `make fuzz` has found once is tried for ever."""
    for kept in sorted((FINDINGS / edge.name).glob("*")):
        edge.check(kept.read_bytes())
