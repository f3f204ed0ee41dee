"""The chain of the ledger: what a line says of itself, and of the one before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.audit.chain import BEGINNING, Link, parse_link, parse_sealed, seal
from agentkeys.audit.files import full_name, ledger_files, unchained_name

DOCUMENTS = st.dictionaries(st.text(), st.text() | st.integers() | st.none(), min_size=1)
LINKS = st.builds(
    Link,
    st.integers(0, 10**12),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(document=DOCUMENTS, after=LINKS)
def test_a_sealed_line_is_its_document_and_three_more(
    document: dict[str, object], after: Link
) -> None:
    """`seq`, `previous` and `chain`, last and in this order, whatever the document holds."""
    written = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    line, link = seal(written, after)
    read = json.loads(line)
    assert line.endswith(b"\n")
    assert list(read)[-3:] == ["seq", "previous", "chain"]
    assert (read["seq"], read["previous"], read["chain"]) == (link.seq, after.chain, link.chain)
    assert link.seq == after.seq + 1
    sealed = parse_sealed(line[:-1])
    assert sealed is not None
    assert (sealed.previous, sealed.link) == (after.chain, link)
    assert sealed.is_true(line[:-1])


@given(document=DOCUMENTS, at=st.integers(0), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(document: dict[str, object], at: int, flip: int) -> None:
    """Without its digest telling."""
    line = bytearray(seal(json.dumps(document).encode(), BEGINNING)[0][:-1])
    line[at % len(line)] ^= flip
    sealed = parse_sealed(bytes(line))
    assert sealed is None or not sealed.is_true(bytes(line))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"time": "2026"}',
        b'{"a": 1, "seq": 0, "previous": "%b", "chain": "%b"}' % (b"0" * 64, b"0" * 64),
        b'{"a": 1, "seq": 1, "previous": "%b", "chain": "%b"}' % (b"0" * 64, b"g" * 64),
        b'{"a": 1, "seq": 1, "previous": "%b", "chain": "%b"} ' % (b"0" * 64, b"0" * 64),
        b'"a": 1, "seq": 1, "previous": "%b", "chain": "%b"}' % (b"0" * 64, b"0" * 64),
    ],
)
def test_other_lines_have_no_link(line: bytes) -> None:
    """Nobody takes them for ours."""
    assert parse_sealed(line) is None


@pytest.mark.parametrize(
    ("seq", "chain"), [(True, "0" * 64), (-1, "0" * 64), ("1", "0" * 64), (1, "0" * 63), (1, None)]
)
def test_a_link_that_is_none_is_refused(seq: object, chain: object) -> None:
    """It comes out of files and keyrings."""
    with pytest.raises(ValueError, match="no "):
        parse_link(seq, chain)


def test_files_come_in_the_order_of_their_records(tmp_path: Path) -> None:
    """The present one last; other files are none of the ledger."""
    path = tmp_path / "ledger.jsonl"
    assert ledger_files(tmp_path / "gone" / "ledger.jsonl") == []
    names = ["ledger-000000000120.jsonl", "ledger-000000000001.jsonl", "ledger.jsonl"]
    names += ["ledger-000000000001-2.jsonl", "ledger-unchained-20260601T120000Z.jsonl", "head.json"]
    for name in names:
        (tmp_path / name).touch()
    assert [each.name for each in ledger_files(path)] == [
        "ledger-000000000001.jsonl",
        "ledger-000000000001-2.jsonl",
        "ledger-000000000120.jsonl",
        "ledger.jsonl",
    ]
    assert full_name(path, 1).name == "ledger-000000000001-3.jsonl"
    assert unchained_name(path, "20260601T120000Z").name.endswith("Z-2.jsonl")
