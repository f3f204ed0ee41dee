"""The fast parser and click read the same table, and mean the same by it."""

from __future__ import annotations

from collections.abc import Sequence

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys_shell.fast_options import fast_options
from agentkeys_shell.options import FAST_COMMANDS, FastOption, parse_fast

Parsed = tuple[dict[str, str], list[str]]

OPTIONS = [option for options in FAST_COMMANDS.values() for option in options]
SPELLINGS = sorted({spelling for option in OPTIONS for spelling in option.spellings})
ARGUMENTS = st.lists(
    st.sampled_from([*SPELLINGS, "--", "-", "", "data", "x.py", "--help", "-h", "-pdata", "-x"])
    | st.sampled_from(SPELLINGS).map(lambda spelling: f"{spelling}=data")
    | st.sampled_from(SPELLINGS).map(lambda spelling: f"{spelling}="),
    max_size=6,
)


def parse_by_click(command: str, arguments: Sequence[str]) -> Parsed | None:
    """The same with click, as `exec` and the others are built; None for its mistakes."""
    found: list[Parsed] = []

    @click.command(context_settings={"allow_interspersed_args": False, "help_option_names": []})
    @fast_options(command)
    @click.argument("rest", nargs=-1)
    def parser(rest: tuple[str, ...], **options: str | bool | None) -> None:
        values = {name: "yes" if value is True else value for name, value in options.items()}
        found.append(({name: str(value) for name, value in values.items() if value}, list(rest)))

    try:
        parser.main(list(arguments), standalone_mode=False)
    except click.UsageError:
        return None
    return found[0]


@pytest.mark.parametrize("command", FAST_COMMANDS)
@given(arguments=ARGUMENTS)
def test_what_the_fast_parser_takes_click_takes_alike(command: str, arguments: list[str]) -> None:
    """What it does not take goes to click, so the two can only differ in speed."""
    fast = parse_fast(FAST_COMMANDS[command], arguments)
    if fast is not None:
        assert fast == parse_by_click(command, arguments)


EXEC = FAST_COMMANDS["exec"]
STATUS = FAST_COMMANDS["status"]


@pytest.mark.parametrize(
    ("options", "arguments", "expected"),
    [
        pytest.param(EXEC, [], ({}, []), id="nothing"),
        pytest.param(EXEC, ["--", "cmd"], ({}, ["cmd"]), id="a program after the dashes"),
        pytest.param(EXEC, ["cmd", "-p", "x"], ({}, ["cmd", "-p", "x"]), id="its own options"),
        pytest.param(EXEC, ["-p", "a", "--", "-x"], ({"profile": "a"}, ["-x"]), id="a dash first"),
        pytest.param(EXEC, ["--profile=a=b", "c"], ({"profile": "a=b"}, ["c"]), id="two equals"),
        pytest.param(EXEC, ["--", "--", "c"], ({}, ["--", "c"]), id="the first dashes count"),
        pytest.param(EXEC, ["-"], ({}, ["-"]), id="a dash is a program"),
        pytest.param(EXEC, [""], ({}, [""]), id="an empty program"),
        pytest.param(STATUS, ["--json"], ({"json": "yes"}, []), id="a switch"),
        pytest.param(
            STATUS, ["--json", "-p", "a"], ({"json": "yes", "profile": "a"}, []), id="both"
        ),
    ],
)
def test_what_is_common_is_parsed_fast(
    options: Sequence[FastOption], arguments: list[str], expected: Parsed
) -> None:
    """Without importing anything."""
    assert parse_fast(options, arguments) == expected


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        pytest.param(EXEC, ["--help"], id="help"),
        pytest.param(EXEC, ["-h"], id="short help"),
        pytest.param(EXEC, ["--unknown", "x"], id="unknown"),
        pytest.param(EXEC, ["--prof", "x"], id="cut short"),
        pytest.param(EXEC, ["-pdata", "x"], id="a value without a space"),
        pytest.param(EXEC, ["-p=data", "x"], id="a short one with an equals sign"),
        pytest.param(EXEC, ["--profile"], id="no value"),
        pytest.param(EXEC, ["--profile="], id="an empty value"),
        pytest.param(EXEC, ["-p", ""], id="an empty value after a space"),
        pytest.param(EXEC, ["-p", "a", "--profile", "b"], id="twice"),
        pytest.param(STATUS, ["--json=yes"], id="a value for a switch"),
        pytest.param(STATUS, ["--json", "--json"], id="a switch twice"),
        pytest.param((), ["--profile", "x"], id="a command without options"),
    ],
)
def test_what_is_rare_or_wrong_is_for_click(
    options: Sequence[FastOption], arguments: list[str]
) -> None:
    """It knows how to say so."""
    assert parse_fast(options, arguments) is None


@pytest.mark.parametrize("arguments", [["--profile", ""], ["--profile="], ["-p", ""]])
def test_an_empty_value_is_a_mistake(arguments: list[str]) -> None:
    """It comes from an unset shell variable, and must not mean the default profile."""
    assert parse_by_click("exec", [*arguments, "cmd"]) is None


def test_the_table_s_help_is_click_s() -> None:
    """Each option with all of its spellings."""

    @click.command()
    @fast_options("status")
    def parser(**_options: object) -> None: ...

    text = " ".join(parser.get_help(click.Context(parser)).split())
    for option in STATUS:
        assert option.help in text
        assert all(spelling in text for spelling in option.spellings)


def test_an_option_s_key_is_its_first_spelling() -> None:
    """As click would name it."""
    assert FastOption("--dry-run", "-n", value=None, help="").key == "dry_run"
