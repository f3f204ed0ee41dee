"""Reading an AWS configuration file line by line, as botocore's parser reads it."""

from __future__ import annotations

import configparser

import pytest
from hypothesis import given

from agentkeys_shell.aws_config.ini import Ini, MalformedLine, parse_ini
from tests.support.aws_configs import OTHERS, aws_configs, read_by_configparser


def _sections(ini: Ini) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"DEFAULT": {}}
    for section in ini.sections:
        values = {option.key: option.value for option in section.options}
        found.setdefault(section.header, {}).update(values)
    return {name: found["DEFAULT"] | values for name, values in found.items()}


@given(content=aws_configs())
def test_it_finds_what_configparser_finds(content: bytes) -> None:
    """In every file that it takes; it refuses what configparser refuses, and open brackets."""
    try:
        found = _sections(parse_ini(content.decode("utf-8", "surrogateescape")))
    except MalformedLine as problem:
        if "bracket" not in problem.why:
            with pytest.raises(configparser.Error):
                read_by_configparser(content)
        return
    assert found == read_by_configparser(content)


@given(content=aws_configs())
def test_every_byte_is_in_some_line(content: bytes) -> None:
    """The lines make the file again, whatever their ends and whatever is not UTF-8."""
    text = content.decode("utf-8", "surrogateescape")
    try:
        lines = parse_ini(text).lines
    except MalformedLine:
        return
    assert "".join(lines).encode("utf-8", "surrogateescape") == content


def test_the_lines_of_a_value_are_known() -> None:
    """Those that are indented below its key, without the comments between them."""
    [section] = parse_ini("[profile a]\ns3 =\n  x = 1\n# no\n\n  y = 2\nregion = z\n").sections
    s3, region = section.options
    assert (s3.lines, s3.value) == ([1, 2, 5], "\nx = 1\n\ny = 2")
    assert (region.lines, region.value) == ([6], "z")
    assert section.last_line == 6


@pytest.mark.parametrize(
    ("header", "profile"),
    [
        ("default", "default"),
        ("profile default", "default"),
        ("profile data", "data"),
        ('profile "my data"', "my data"),
        ("profile\tdata", "data"),
        ("profile my data", None),
        ("profile 'data", None),
        ("profile", None),
        ("data", None),
        ("sso-session data", None),
    ],
)
def test_a_header_names_a_profile_as_botocore_has_it(header: str, profile: str | None) -> None:
    """With quotes and blanks, and `default` with or without the word before it."""
    [section] = parse_ini(f"[{header}]").sections
    assert section.profile == profile


@pytest.mark.parametrize(
    ("text", "number", "why"),
    [
        ("# fine\nregion = x\n", 2, "stands above the first [section]"),
        ("[profile a]\n\n[profile b\nregion = x\n", 3, "has a bracket that is not closed"),
        ("[profile b\nregion = x\n", 1, "has a bracket that is not closed"),
        ("[profile a:b\n", 1, "has a bracket that is not closed"),
        ("[default]\nregion\n", 2, "is neither a [section] nor key = value"),
        ("[default]\n= x\n", 2, "is neither a [section] nor key = value"),
        ("P\0K\x03\x04", 1, "stands above the first [section]"),
    ],
)
def test_a_malformed_line_is_told_by_its_number(text: str, number: int, why: str) -> None:
    """No client could read the file, and nobody knows what was meant."""
    with pytest.raises(MalformedLine) as refusal:
        parse_ini(text)
    assert (refusal.value.number, refusal.value.why) == (number, why)


def test_a_file_of_several_editors_is_read() -> None:
    """The sample that other tests use has what it should have."""
    ini = parse_ini(OTHERS.decode("utf-8", "surrogateescape"))
    profiles = [section.profile for section in ini.sections]
    assert profiles == ["default", "office", "data.old", None, None]
