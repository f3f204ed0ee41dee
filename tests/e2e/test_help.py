"""Help for every command, and what a mistake in a call gets."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import click
import pytest

from agentkeys_shell.cli import COMMANDS, agentkeys
from tests.support.programs import Home


def command_paths(group: click.Group) -> Iterator[list[str]]:
    """Every command and subcommand, as it is typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield [name]
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ([name, *rest] for rest in command_paths(command))


PATHS = list(command_paths(agentkeys))


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_explains_itself(home: Home, path: list[str]) -> None:
    """On standard output, with status 0, by --help and by -h, and it starts nothing."""
    shown = home.succeed("agentkeys", *path, "--help")
    assert shown.startswith(f"Usage: agentkeys {' '.join(path)}")
    assert home.succeed("agentkeys", *path, "-h") == shown
    assert not home.socket.parent.exists()


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_refuses_an_unknown_option(home: Home, path: list[str]) -> None:
    """One error and one hint, status 2; exec's own failures are 125."""
    done = home.run("agentkeys", *path, "--no-such-option")
    assert (done.status, done.stdout) == (125 if path == ["exec"] else 2, "")
    error, hint = done.complaint()
    assert "--no-such-option" in error
    assert hint == f"see agentkeys {' '.join(path)} --help"


def test_alone_it_shows_what_there_is(home: Home) -> None:
    """The same as --help: every command with a line on what it does."""
    shown = home.succeed("agentkeys")
    assert shown == home.succeed("agentkeys", "--help")
    listed = [
        line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line.strip()
    ]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)


def test_the_shim_explains_itself(home: Home) -> None:
    """By the help of its other name."""
    shown = home.succeed("agentkeys-credential-process", "--help")
    assert shown == home.succeed("agentkeys", "credential-process", "--help")


def test_the_version_is_the_installed_one(home: Home) -> None:
    """As the package's metadata has it."""
    assert home.succeed("agentkeys", "--version") == f"agentkeys {version('agentkeys')}\n"


@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (["exce"], "there is no command 'exce'", "did you mean exec?"),
        (["qqqq"], "there is no command 'qqqq'", "see agentkeys --help"),
        (["--no-such-option"], "no such option", "see agentkeys --help"),
        (["daemon", "sotp"], "no such command 'sotp'", "see agentkeys daemon --help"),
        (["daemon", "logs", "-n", "0"], "invalid value for '-n' / '--lines'", "daemon logs --help"),
        (["status", "too", "many"], "got unexpected extra argument", "see agentkeys status --help"),
        (["whoami", "a", "b"], "got unexpected extra argument", "see agentkeys whoami --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_error_and_one_hint(
    home: Home, argv: list[str], error: str, hint: str
) -> None:
    """Status 2, nothing on standard output."""
    done = home.run("agentkeys", *argv)
    assert (done.status, done.stdout) == (2, "")
    said, advice = done.complaint()
    assert said.startswith(error)
    assert advice.endswith(hint)


@pytest.mark.parametrize("group", ["daemon", "sandbox"])
def test_a_group_alone_shows_its_commands(home: Home, group: str) -> None:
    """As a mistake, since nothing was done."""
    done = home.run("agentkeys", group)
    assert done.status == 2
    assert f"Usage: agentkeys {group}" in done.stdout + done.stderr


def test_a_screen_that_went_away_is_no_traceback(home: Home) -> None:
    """`agentkeys --help | head -1`."""
    program = home.program("agentkeys")
    done = home.run("sh", "-c", f"{program} --help | head -1")
    assert (done.status, done.stderr) == (0, "")
