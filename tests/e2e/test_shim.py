"""The shim that AWS clients start: a whole document and nothing else, or one reason why not."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.programs import Finished, Home

SHIM = "agentkeys-credential-process"
DEADLINE = 25.0

SLOW_MODULES = {
    "click", "dataclasses", "datetime", "filelock", "httpx", "json", "jwt", "keyring", "pathlib",
    "platformdirs", "re", "rich", "subprocess", "typing", "uvicorn",
}  # fmt: skip
"""Each would cost more than a warm answer does; see the fast paths' own docstrings."""


def document_of(done: Finished) -> dict[str, object]:
    assert (done.status, done.stderr) == (0, "")
    document: dict[str, object] = json.loads(done.stdout)
    return document


# the document


def test_the_document_is_what_the_reference_asks_for(sandbox_home: Home) -> None:
    """Version 1 as a number, all three keys, the expiry in UTC with a Z, and nothing else."""
    document = document_of(sandbox_home.run(SHIM, "--profile", "sandbox"))
    assert list(document) == [
        "Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
    ]  # fmt: skip
    assert document["Version"] == 1
    assert type(document["Version"]) is int
    expiration = str(document["Expiration"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", expiration)
    left = datetime.fromisoformat(expiration) - datetime.now(UTC)
    assert timedelta(minutes=15) < left <= timedelta(hours=1, minutes=1)


def test_asks_that_come_close_together_get_the_same_answer(sandbox_home: Home) -> None:
    """One after the other and all at once: no client ever mixes two keys."""
    with ThreadPoolExecutor(8) as pool:
        asks = [pool.submit(sandbox_home.run, SHIM, "--profile", "sandbox") for _ in range(24)]
        answers = {ask.result() for ask in asks}
    assert answers == {sandbox_home.run(SHIM, "--profile", "sandbox")}


def test_the_main_program_gives_the_same_bytes(sandbox_home: Home) -> None:
    """`agentkeys credential-process`, with the profile given in any way."""
    expected = sandbox_home.succeed(SHIM, "--profile", "sandbox-bob")
    named = {"AGENTKEYS_PROFILE": "sandbox-bob"}
    for program in ([SHIM], ["agentkeys", "credential-process"]):
        assert sandbox_home.succeed(*program, "--profile", "sandbox-bob") == expected
        assert sandbox_home.succeed(*program, "--profile=sandbox-bob") == expected
        assert sandbox_home.succeed(*program, "-p", "sandbox-bob") == expected
        assert sandbox_home.succeed(*program, env=named) == expected


def test_the_profile_is_optional(sandbox_home: Home) -> None:
    """Without one it is the default profile's document."""
    assert sandbox_home.succeed(SHIM) == sandbox_home.succeed(SHIM, "--profile", "sandbox")


def test_it_agrees_with_exec(sandbox_home: Home) -> None:
    """Both doors hand out one lease."""
    document = document_of(sandbox_home.run(SHIM))
    printed = sandbox_home.succeed("agentkeys", "exec", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID")
    assert printed.strip() == document["AccessKeyId"]


def test_it_starts_the_daemon_where_there_is_none(user_home: Home) -> None:
    """And says nothing about it."""
    assert user_home.daemon_pid() is None
    document_of(user_home.run(SHIM))
    assert user_home.daemon_pid()


def test_it_works_from_anywhere(sandbox_home: Home, tmp_path: Path) -> None:
    """Through links, absolute and relative, by its name on PATH, from a folder that is gone."""
    expected = sandbox_home.succeed(SHIM)
    shim = sandbox_home.program(SHIM)
    (tmp_path / "absolute link").symlink_to(shim)
    (tmp_path / "relative").symlink_to(os.path.relpath(shim, tmp_path.resolve()))
    (tmp_path / "chain").symlink_to("relative")
    for name in ("absolute link", "relative", "chain"):
        done = sandbox_home.run(tmp_path / name, cwd=Path("/"))
        assert (done.stdout, done.stderr) == (expected, "")
    assert sandbox_home.run("./chain", cwd=tmp_path).stdout == expected
    assert sandbox_home.run("env", SHIM, cwd=Path("/")).stdout == expected
    script = f"mkdir gone && cd gone && rmdir ../gone && {shim}"
    assert sandbox_home.run("sh", "-c", script, cwd=tmp_path).stdout == expected


def test_the_callers_python_settings_do_not_matter(sandbox_home: Home, tmp_path: Path) -> None:
    """Modules that lie in the way are not taken: not from PYTHONPATH, not from here."""
    for name in ("posix.py", "_socket.py", "json.py", "agentkeys.py", "agentkeys_shell.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n", encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere"}
    done = sandbox_home.run(SHIM, env=env, cwd=tmp_path)
    assert done == Finished(0, sandbox_home.succeed(SHIM), "")


def test_it_reads_no_standard_input(sandbox_home: Home) -> None:
    """Some clients hand it a pipe that never ends, others something they still want to read."""
    reader, writer = os.pipe()
    os.write(writer, b"not for you")
    with os.fdopen(reader, "rb") as ours, os.fdopen(writer, "wb") as theirs:
        done = subprocess.run(
            [sandbox_home.program(SHIM)],
            stdin=ours,
            env=sandbox_home.environment,
            capture_output=True,
            timeout=120,
            check=True,
        )
        theirs.close()
        assert ours.read() == b"not for you"
    assert done.stdout


def test_a_reader_that_went_away_is_no_traceback(sandbox_home: Home) -> None:
    """A closed standard output ends it quietly, with a failure."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [sandbox_home.program(SHIM)],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=sandbox_home.environment,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


# failures


def test_an_unknown_profile_is_an_error_with_a_hint(sandbox_home: Home) -> None:
    """Two lines on standard error, nothing on standard output, status 1."""
    done = sandbox_home.run(SHIM, "--profile", "sandbx")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == ("there is no profile 'sandbx'", "did you mean sandbox?")


def test_names_are_taken_as_they_are(sandbox_home: Home) -> None:
    """A profile's name leads to no other path of the daemon, and prints as one harmless line."""
    for name in ("../health", "sandbox/credentials?", "%2e%2e", "a\nb\x1b[31m", "…", "x" * 5000):
        done = sandbox_home.run(SHIM, "--profile", name)
        assert (done.status, done.stdout) == (1, ""), name
        error, _ = done.complaint()
        assert error.isprintable()


def test_nobody_logged_in_is_for_the_user_to_mend(home: Home) -> None:
    """Status 3, and the command to run."""
    home.configure(
        '[identities.me]\nsource = "broker"\nurl = "http://127.0.0.1:9"\n'
        '[profiles.data]\nidentity = "me"\nrole_arn = "arn:aws:iam::111122223333:role/data"\n'
    )
    done = home.run(SHIM, "--profile", "data")
    assert (done.status, done.stdout) == (3, "")
    _, hint = done.complaint()
    assert hint == "run: agentkeys login me"


def test_no_daemon_and_none_to_be_had_is_status_4(home: Home) -> None:
    """A daemon that cannot start says why."""
    not_a_folder = home.folder / "file"
    not_a_folder.touch()
    done = home.run(SHIM, env={"AGENTKEYS_STATE_DIR": str(not_a_folder)})
    assert (done.status, done.stdout) == (4, "")
    error, hint = done.complaint()
    assert error.startswith("the daemon could not start: ")
    assert str(not_a_folder) in error + hint


@pytest.mark.parametrize(
    "arguments", [["--no-such-option"], ["--profile"], ["--profile", ""], ["sandbox"]]
)
def test_a_mistake_in_the_call_is_status_2(sandbox_home: Home, arguments: list[str]) -> None:
    """With the command whose help explains it."""
    for program in ([SHIM], ["agentkeys", "credential-process"]):
        done = sandbox_home.run(*program, *arguments)
        assert (done.status, done.stdout) == (2, "")
        _, hint = done.complaint()
        assert hint == "see agentkeys credential-process --help"


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Something else of ours on the daemon's socket."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener
    path.unlink()


def test_it_ends_though_the_daemon_never_answers(home: Home) -> None:
    """After 25 seconds, since clients wait for it without any limit; without half an answer."""
    with listening(home.socket):
        began = time.monotonic()
        done = home.run(SHIM, "--profile", "data")
        took = time.monotonic() - began
    home.socket.parent.rmdir()
    assert (done.status, done.stdout) == (1, "")
    assert DEADLINE <= took < 2 * DEADLINE
    assert done.complaint()[0] == "the daemon did not answer in time"


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nagentkeys-protocol: 1\r\ncontent-length: 100\r\n\r\n{"Version": 1',
        b"HTTP/1.1 200 OK\r\nagentkeys-protocol: 2\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 Oh\r\nagentkeys-protocol: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"SSH-2.0-nobody-we-know\r\n",
        b"\xff" * 2_000_000,
    ],
    ids=["cut off", "another version", "no version", "no reason", "no HTTP", "a flood"],
)
def test_an_answer_that_is_none_is_not_passed_on(home: Home, answer: bytes) -> None:
    """Half a document must never reach a client."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            # It hangs up before it has read all of a flood.
            try:
                connection.sendall(answer)
            except BrokenPipeError:
                return

    with listening(home.socket) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        done = home.run(SHIM, "--profile", "data")
        server.join()
    home.socket.parent.rmdir()
    assert (done.status, done.stdout) == (1, "")
    done.complaint()


def test_an_answer_to_a_request_that_was_not_read_is_taken(home: Home) -> None:
    """As the daemon gives it to a peer that it refuses."""
    body = json.dumps(
        {"error": {"code": "no", "message": "not you", "hint": "go", "retryable": False}}
    )
    head = f"HTTP/1.1 403 No\r\nagentkeys-protocol: 1\r\ncontent-length: {len(body)}\r\n\r\n"

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            select.select([connection], [], [], 60)
            connection.sendall((head + body).encode())

    with listening(home.socket) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        done = home.run(SHIM, "--profile", "data")
        server.join()
    home.socket.parent.rmdir()
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == ("not you", "go")


# what it costs


@pytest.mark.parametrize(
    "argv",
    [[SHIM], ["agentkeys", "exec", "--", "true"], ["agentkeys", "status", "--json"]],
    ids=" ".join,
)
def test_a_warm_answer_imports_nothing_slow(sandbox_home: Home, argv: list[str]) -> None:
    """Whoever adds an import to a fast path hears of it here."""
    sandbox_home.succeed(SHIM)
    program = sandbox_home.program(argv[0])
    flags = ["-I", "-S", "-X", "importtime"]
    done = sandbox_home.run(sys.executable, *flags, program, *argv[1:])
    assert done.status == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "agentkeys.client" in imported
    assert not {name for name in imported if name.partition(".")[0] in SLOW_MODULES}
