"""What somebody who can write the ledger's files might do to them.

Each takes dice and the files' contents, the oldest first, and returns what is there afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from random import Random

from agentkeys.audit.chain import BEGINNING, Link, parse_sealed, seal

__all__ = ["ALTERATIONS", "Contents"]

Contents = dict[Path, bytes]
Alteration = Callable[[Random, Mapping[Path, bytes]], Contents]

_ENDING = re.compile(rb', "seq": \d+, "previous": "\w+", "chain": "\w+"}\n\Z')
_SEQ = re.compile(rb'(?<=, "seq": )\d+')


def _lines(contents: Mapping[Path, bytes]) -> list[tuple[Path, bytes]]:
    return [(path, line) for path, content in contents.items() for line in content.splitlines(True)]


def _joined(contents: Mapping[Path, bytes], lines: list[tuple[Path, bytes]]) -> Contents:
    """The lines in the files that each of them is for."""
    return {path: b"".join(line for at, line in lines if at == path) for path in contents}


def _one_line(
    dice: Random, contents: Mapping[Path, bytes], change: Callable[[bytes], bytes]
) -> Contents:
    lines = _lines(contents)
    place = dice.randrange(len(lines))
    path, line = lines[place]
    lines[place] = path, change(line)
    return _joined(contents, lines)


def _spliced(
    dice: Random, contents: Mapping[Path, bytes], cut: int, put: Callable[[bytes], bytes]
) -> Contents:
    """At any place of any file, `cut` bytes are replaced."""
    path = dice.choice(list(contents))
    content = contents[path]
    place = dice.randrange(len(content) - cut + 1)
    new = put(content[place : place + cut])
    return {**contents, path: content[:place] + new + content[place + cut :]}


def change_a_byte(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return _spliced(dice, contents, 1, lambda old: bytes([old[0] ^ dice.randrange(1, 256)]))


def remove_a_byte(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return _spliced(dice, contents, 1, lambda _: b"")


def insert_a_byte(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return _spliced(dice, contents, 0, lambda _: dice.randbytes(1))


def overwrite_with_nuls(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return _spliced(dice, contents, dice.randrange(1, 2000), lambda old: bytes(len(old)))


def write_no_utf8(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return _spliced(dice, contents, 2, lambda _: b"\xff\xfe")


def change_the_chain_member(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    def change(line: bytes) -> bytes:
        place = len(line) - 4 - dice.randrange(64)
        return (
            line[:place] + (b"0" if line[place : place + 1] != b"0" else b"1") + line[place + 1 :]
        )

    return _one_line(dice, contents, change)


def change_the_seq(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    def change(line: bytes) -> bytes:
        return _SEQ.sub(lambda found: b"%d" % (int(found[0]) + dice.choice((-1, 1, 1000))), line)

    return _one_line(dice, contents, change)


def end_a_line_as_windows_does(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return _one_line(dice, contents, lambda line: line[:-1] + b"\r\n")


def put_a_key_there_twice(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    again = b'"event": "mint", "event": "serve"'
    return _one_line(dice, contents, lambda line: line.replace(b'"event": "serve"', again))


def remove_a_line(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return _one_line(dice, contents, lambda _: b"")


def remove_several_lines(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    lines = _lines(contents)
    place = dice.randrange(len(lines) - 2)
    del lines[place : place + dice.randrange(2, 40)]
    return _joined(contents, lines)


def repeat_a_line(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    lines = _lines(contents)
    at, _ = dice.choice(lines)
    lines.insert(dice.randrange(len(lines) + 1), (at, dice.choice(lines)[1]))
    return _joined(contents, lines)


def swap_two_lines(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    lines = _lines(contents)
    one, other = dice.sample(range(len(lines)), 2)
    if dice.random() < 0.5:
        other = one + 1 if one + 1 < len(lines) else one - 1
    (at, line), (other_at, other_line) = lines[one], lines[other]
    lines[one], lines[other] = (at, other_line), (other_at, line)
    return _joined(contents, lines)


def move_a_line(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    lines = _lines(contents)
    place = dice.randrange(len(lines))
    _, line = lines.pop(place)
    target = dice.choice([each for each in range(len(lines) + 1) if each != place])
    lines.insert(target, (lines[min(target, len(lines) - 1)][0], line))
    return _joined(contents, lines)


def put_a_line_into_the_file_before(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    paths = list(contents)
    place = dice.randrange(1, len(paths) - 1)
    first, end, rest = contents[paths[place]].partition(b"\n")
    return {
        **contents,
        paths[place - 1]: contents[paths[place - 1]] + first + end,
        paths[place]: rest,
    }


def insert_garbage(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    lines = _lines(contents)
    garbage = dice.choice([b"", b"{}", b"garbage", b'{"seq": 1}', b"\0" * 100, b"[" * 5000]) + b"\n"
    lines.insert(dice.randrange(len(lines) + 1), (dice.choice(lines)[0], garbage))
    return _joined(contents, lines)


def insert_a_sealed_line(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    """One that follows from the line before it, as if it had always been there."""
    lines = _lines(contents)
    place = dice.randrange(len(lines) - 1)
    at, line = lines[place]
    forged, _ = seal(b'{"time": "2026-06-01T12:00:00Z", "event": "logout"}', _link_of(line))
    lines.insert(place + 1, (at, forged))
    return _joined(contents, lines)


def seal_a_changed_line_anew(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    """The digest fits again; what follows was written after another one."""
    return _resealed(dice, contents, how_many=1)


def seal_all_from_a_change_on_anew(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    """The whole chain fits again; only the head tells."""
    return _resealed(dice, contents, how_many=len(_lines(contents)))


def cut_lines_out_and_seal_the_rest_anew(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    """And number them anew."""
    lines = _lines(contents)
    place = dice.randrange(1, len(lines))
    kept = lines[:place] + lines[place + dice.randrange(1, 20) :]
    link, new = BEGINNING, []
    for at, line in kept:
        sealed, link = seal(_document(line), link)
        new.append((at, sealed))
    return _joined(contents, new)


def _resealed(dice: Random, contents: Mapping[Path, bytes], *, how_many: int) -> Contents:
    lines = _lines(contents)
    place = dice.randrange(len(lines))
    link = _link_of(lines[place - 1][1]) if place else BEGINNING
    for each in range(place, min(place + how_many, len(lines))):
        at, line = lines[each]
        document = _document(line)
        if each == place:
            document = document.replace(b'"uid": 1000', b'"uid": 1001')
        sealed, link = seal(document, link)
        lines[each] = at, sealed
    return _joined(contents, lines)


def cut_the_end_off(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    """At any byte of the present file."""
    path = list(contents)[-1]
    return {**contents, path: contents[path][: dice.randrange(len(contents[path]))]}


def cut_lines_off_the_end(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    path = list(contents)[-1]
    *ends, _ = accumulate(map(len, contents[path].splitlines(True)), initial=0)
    return {**contents, path: contents[path][: dice.choice(ends)]}


def append_garbage(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    path = dice.choice(list(contents))
    return {**contents, path: contents[path] + dice.choice([b" ", b"\0" * 512, b"}", b"\n", b"\r"])}


def swap_two_files(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    one, other = dice.sample(list(contents), 2)
    return {**contents, one: contents[other], other: contents[one]}


def remove_a_file_in_the_middle(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    removed = dice.choice(list(contents)[1:-1])
    return {path: content for path, content in contents.items() if path != removed}


def remove_the_present_file(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return dict(list(contents.items())[:-1])


def empty_a_file(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    return {**contents, dice.choice(list(contents)): b""}


def put_a_file_there_twice(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    path = dice.choice(list(contents)[:-1])
    return {**contents, path.with_name(f"{path.stem}-2.jsonl"): contents[path]}


def rename_a_file(dice: Random, contents: Mapping[Path, bytes]) -> Contents:
    renamed = dice.choice(list(contents)[:-1])
    number = int(renamed.stem.partition("-")[2]) + dice.choice((1, 24, 40, 1000))
    new = renamed.with_name(f"ledger-{number:012}.jsonl")
    return {(new if path == renamed else path): content for path, content in contents.items()}


def _link_of(line: bytes) -> Link:
    sealed = parse_sealed(line.removesuffix(b"\n"))
    assert sealed
    return sealed.link


def _document(line: bytes) -> bytes:
    return _ENDING.sub(b"}", line)


ALTERATIONS: tuple[Alteration, ...] = (
    change_a_byte,
    remove_a_byte,
    insert_a_byte,
    overwrite_with_nuls,
    write_no_utf8,
    change_the_chain_member,
    change_the_seq,
    end_a_line_as_windows_does,
    put_a_key_there_twice,
    remove_a_line,
    remove_several_lines,
    repeat_a_line,
    swap_two_lines,
    move_a_line,
    put_a_line_into_the_file_before,
    insert_garbage,
    insert_a_sealed_line,
    seal_a_changed_line_anew,
    seal_all_from_a_change_on_anew,
    cut_lines_out_and_seal_the_rest_anew,
    cut_the_end_off,
    cut_lines_off_the_end,
    append_garbage,
    swap_two_files,
    remove_a_file_in_the_middle,
    remove_the_present_file,
    empty_a_file,
    put_a_file_there_twice,
    rename_a_file,
)
