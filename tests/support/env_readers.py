"""Who reads what `agentkeys env` prints: real shells, and readers of our own for what is not here.

Each takes the printed text and returns the environment that it makes, as a program would see it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

__all__ = ["READ_BY", "needed_program", "read_by", "read_mc_host", "read_powershell"]

_BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

# As people type it: with quotes in sh, where the shell would split the lines without them.
READ_BY: Mapping[str, tuple[str, Sequence[str]]] = {
    "bash": ("sh", ["bash", "-c", 'eval "$(cat "$0")" && exec env -0']),
    "dash": ("sh", ["dash", "-c", 'eval "$(cat "$0")" && exec env -0']),
    "dash, from a file": ("sh", ["dash", "-c", '. "$0" && exec env -0']),
    "fish": ("fish", ["fish", "--no-config", "-c", "cat $argv[1] | source; exec env -0"]),
    "fish, by eval": ("fish", ["fish", "--no-config", "-c", "eval (cat $argv[1]); exec env -0"]),
}
"""The format and the command, which takes the path of the text."""


def needed_program(name: str) -> str:
    """Its path; the test fails where it is not installed."""
    found = shutil.which(name)
    if not found:
        pytest.fail(f"{name} is not installed: apt-get install {name}")
    return found


def read_by(
    command: Sequence[str], text: bytes, folder: Path, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a program sees that a shell starts after it has read `text`."""
    needed_program(command[0])
    file = folder / "printed"
    file.write_bytes(text)
    done = subprocess.run(
        [*command, str(file)],
        env={**_BARE, "HOME": str(folder), **(inherited or {})},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    entries = (os.fsdecode(entry).partition("=") for entry in done.stdout.split(b"\0") if entry)
    return {name: value for name, _, value in entries}


def read_powershell(text: str) -> tuple[dict[str, str], list[str]]:
    """What is set and what is removed, by the language's own rules for strings.

    It reads line by line, as `| iex` does, and takes the typographic quotes for quotes.
    """
    variables: dict[str, str] = {}
    removed: list[str] = []
    # Not splitlines: no other character ends a line.
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("Remove-Item Env:"):
            removed.append(line.removeprefix("Remove-Item Env:"))
            continue
        name, _, expression = line.removeprefix("$env:").partition(" = ")
        variables[name] = _powershell_string(expression)
    return variables, removed


def _powershell_string(expression: str) -> str:
    value, rest = "", expression
    while rest:
        if rest.startswith("[char]"):
            number, plus, rest = rest.removeprefix("[char]").partition(" + ")
            value += chr(int(number))
        else:
            literal, rest = _powershell_literal(rest)
            value += literal
            plus = rest[:3]
            rest = rest[3:]
        assert (plus == " + ") == bool(rest), expression
    return value


def _powershell_literal(text: str) -> tuple[str, str]:
    quotes = "'\u2018\u2019\u201a\u201b"
    assert text[0] in quotes, text
    value, position = "", 1
    while True:
        char = text[position]
        if char in quotes:
            if text[position + 1 : position + 2] not in set(quotes):
                return value, text[position + 1 :]
            position += 1
        value += char
        position += 1


def read_mc_host(value: str) -> tuple[str, str, str, str]:
    """The endpoint, key, secret and token that mc takes from a variable MC_HOST_….

    By what its own parser does: nothing is decoded, and no part but the token may hold a newline.
    """
    scheme, _, rest = value.partition("://")
    credentials, _, host = rest.rpartition("@")
    key, _, rest = credentials.partition(":")
    secret, _, token = rest.partition(":")
    assert "\n" not in value
    return f"{scheme}://{host}", key, secret, token
