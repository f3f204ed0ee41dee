"""Keys of a profile set in an AWS configuration file, and taken back; nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from botocore.configloader import load_config
from botocore.exceptions import ConfigParseError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentkeys_shell.aws_config.editing import OwnSection, set_keys, take_back
from agentkeys_shell.aws_config.ini import MalformedLine, parse_ini, split_lines
from tests.support.aws_configs import OTHERS, aws_configs, read_by_configparser

PROCESS = "/home/me/.local/bin/agentkeys-credential-process --profile data"
VALUES: dict[str, str | None] = {
    "credential_process": PROCESS,
    "region": "us-east-1",
    "endpoint_url": "http://127.0.0.1:8333",
}
NAMES = st.sampled_from(("data", "default", "new"))


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _set(content: bytes, name: str) -> tuple[str, tuple[OwnSection, ...]]:
    try:
        return set_keys(_text(content), name, VALUES)
    except MalformedLine:
        assume(False)
        raise


def _headers(text: str, name: str) -> set[str]:
    return {section.header for section in parse_ini(text).of_profile(name)}


def _loaded(content: bytes) -> dict[str, dict[str, object]]:
    """What botocore itself reads."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_bytes(content)
        loaded: dict[str, dict[str, object]] = load_config(str(path))
        return loaded


@given(content=aws_configs(), name=NAMES)
def test_all_other_sections_say_what_they_said(content: bytes, name: str) -> None:
    """And in ours, every other key does; each section of the profile has the values asked for."""
    text, _ = _set(content, name)
    before, after = read_by_configparser(content), read_by_configparser(_bytes(text))
    ours = _headers(text, name)
    assert ours
    for header in before.keys() | after.keys():
        if header in ours:
            expected = before.get(header, before["DEFAULT"]) | VALUES
            assert after[header] == expected
        else:
            assert after[header] == before[header]


@given(content=aws_configs(), name=NAMES)
def test_every_line_that_is_not_of_our_keys_stays(content: bytes, name: str) -> None:
    """Byte for byte and in order: the text without our keys' lines is what it was without them."""
    text, _ = _set(content, name)

    def without_ours(text: str) -> list[str]:
        ini = parse_ini(text)
        lines = [line.rstrip("\r\n") for line in ini.lines]
        for section in ini.of_profile(name):
            for option in section.options:
                if option.key in VALUES:
                    for index in option.lines:
                        lines[index] = ""
        return [line for line in lines if line]

    added = [] if _headers(_text(content), name) else [f"[profile {name}]"]
    if added and name == "default":
        added = ["[default]"]
    assert without_ours(text) == without_ours(_text(content)) + added


@given(content=aws_configs(), name=NAMES)
def test_a_second_time_changes_nothing(content: bytes, name: str) -> None:
    """Whether or not what is ours is known."""
    text, own = _set(content, name)
    assert set_keys(text, name, VALUES, own) == (text, own)
    assert set_keys(text, name, VALUES)[0] == text


@given(content=aws_configs(), name=NAMES)
def test_what_was_there_is_there_again_after_taking_back(content: bytes, name: str) -> None:
    """Every key and value, even where only what is ours is known and not the file."""
    text, own = _set(content, name)
    back = take_back(text, name, own)
    before, after = read_by_configparser(content), read_by_configparser(_bytes(back))
    assert {key: _plain(value) for key, value in after.items()} == {
        key: _plain(value) for key, value in before.items()
    }


def _plain(section: dict[str, str]) -> dict[str, list[str]]:
    # A comment or a blank line inside of a value that was replaced stays where it stood.
    return {key: [line for line in value.split("\n") if line] for key, value in section.items()}


@settings(deadline=None)  # it waits for the disk
@given(content=aws_configs(), name=NAMES)
def test_botocore_reads_what_was_written(content: bytes, name: str) -> None:
    """Unless it could not read the file before."""
    text, _ = _set(content, name)
    try:
        before = _loaded(content)
    except ConfigParseError:
        return
    after = _loaded(_bytes(text))
    ours = after["profiles"].pop(name)
    before["profiles"].pop(name, None)
    assert isinstance(ours, dict)
    assert VALUES.items() <= ours.items()
    assert after == before


def test_a_section_is_added_at_the_end() -> None:
    """Below a blank line; the file's last line gets the end that it lacks."""
    text, own = set_keys(_text(OTHERS), "data", VALUES)
    added = (
        f"\n\n[profile data]\ncredential_process = {PROCESS}\nregion = us-east-1\n"
        "endpoint_url = http://127.0.0.1:8333\n"
    )
    assert _bytes(text) == OTHERS + added.encode()
    assert [section.made for section in own] == [True]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "[default]\nregion = x\n", id="an empty file"),
        pytest.param("[a]\n\n", "[a]\n\n[default]\nregion = x\n", id="a blank line is there"),
        pytest.param("[a]\r\n", "[a]\r\n\r\n[default]\r\nregion = x\r\n", id="CRLF"),
        pytest.param("\ufeff", "\ufeff\n[default]\nregion = x\n", id="a mark and nothing else"),
    ],
)
def test_a_new_section_keeps_to_the_files_ways(before: str, after: str) -> None:
    """Its line ends, and not more blank lines than one."""
    assert set_keys(before, "default", {"region": "x"})[0] == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("region = old", "region = x", id="a value"),
        pytest.param("Region:old  ", "Region:x  ", id="its key and blanks as written"),
        pytest.param("  region\t=old", "  region\t=x", id="indented"),
        pytest.param("region =", "region = x", id="no value yet"),
        pytest.param(
            "region = old # why", "region = x", id="no client but few knows comments here"
        ),
        pytest.param("region = a\nregion = b", "region = x\nregion = x", id="twice"),
        pytest.param("region =\n  a\n# note\n  b", "region = x\n# note", id="several lines"),
        pytest.param("a =\n  b = c", "a =\n  b = c\nregion = x", id="below a nested table"),
        pytest.param("  a = b", "  a = b\n  region = x", id="as far in as the others"),
        pytest.param("a = b\n\n# next", "a = b\nregion = x\n\n# next", id="above what follows"),
        pytest.param("# region = old", "region = x\n# region = old", id="a comment"),
    ],
)
def test_keys_of_a_section_are_replaced_or_added(before: str, after: str) -> None:
    """Where they stand, and else at its end."""
    frame = "[profile a]\n{}\n[profile b]\nregion = b\n"
    text, _ = set_keys(frame.format(before), "a", {"region": "x"})
    assert text == frame.format(after)


def test_a_header_further_in_stays_a_header() -> None:
    """Where a key of ours stood further out, the line would belong to its value."""
    text, _ = set_keys("[profile a]\n    [profile b]\n", "a", {"region": "x"})
    assert text == "[profile a]\n    region = x\n    [profile b]\n"


def test_every_section_of_the_profile_is_set() -> None:
    """Some clients merge them, others take the first or the last, and botocore refuses the file."""
    text, _ = set_keys("[profile a]\nregion = 1\n[b]\n[profile a]\n", "a", {"region": "x"})
    assert text == "[profile a]\nregion = x\n[b]\n[profile a]\nregion = x\n"


def test_an_unwanted_key_goes_only_if_it_is_ours() -> None:
    """A store that has moved to AWS needs no endpoint; one that the user has set stays."""
    text, own = set_keys("[default]\n", "default", {"endpoint_url": "https://s3.example.com"})
    assert set_keys(text, "default", {"endpoint_url": None}, own)[0] == "[default]\n"
    assert set_keys(text, "default", {"endpoint_url": None})[0] == text
    changed = text.replace("s3.", "mine.")
    assert set_keys(changed, "default", {"endpoint_url": None}, own)[0] == changed


def test_only_what_is_ours_is_taken_back() -> None:
    """Not a value that the user has changed since, nor a section that they have filled."""
    before = "[profile a]\nregion = mine\n"
    text, own = set_keys(before, "a", VALUES)
    changed = text.replace("http://127.0.0.1:8333", "https://s3.example.com") + "output = json\n"
    expected = "[profile a]\nregion = mine\nendpoint_url = https://s3.example.com\noutput = json\n"
    assert take_back(changed, "a", own) == expected
    text, own = set_keys("", "new", VALUES)
    assert take_back(text + "output = json\n", "new", own) == "[profile new]\noutput = json\n"


def test_a_value_of_the_users_own_comes_back() -> None:
    """The newest that they have written themselves, with all of its lines."""
    before = "[profile a]\nregion =\n  old\n"
    text, own = set_keys(before, "a", {"region": "x"})
    text, own = set_keys(text, "a", {"region": "y"}, own)
    assert text == "[profile a]\nregion = y\n"
    assert take_back(text, "a", own) == before
    theirs = text.replace("y", "theirs")
    text, own = set_keys(theirs, "a", {"region": "x"}, own)
    assert take_back(text, "a", own) == theirs


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_a_section_of_ours_goes_with_its_blank_line(end: str) -> None:
    """What others have added below it in the meantime stays."""
    before = f"[profile a]{end}"
    text, own = set_keys(before, "b", VALUES)
    more = "\n[profile c]\nregion = c\n"
    expected = before if end else before + "\n"
    assert take_back(text + more, "b", own) == expected + more


def test_lines_end_where_python_and_botocore_end_them() -> None:
    """And at no other separator that Unicode knows."""
    assert split_lines("a\rb\r\nc\x0bd\x85e\u2028f\ng") == [
        "a\r",
        "b\r\n",
        "c\x0bd\x85e\u2028f\n",
        "g",
    ]
