"""No secret is anywhere that it is not meant to be, whichever command is used.

All secrets of a whole world of servers are known here. Every command runs, in words and as JSON,
at the highest log level, and then every trace is looked for: in what was printed, in every file of
the home (log, ledger, state, configuration), and in the arguments and environment of each process.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import click
import pytest

from agentkeys_shell.cli import agentkeys
from tests.support.marked_place import CREDENTIALS, MarkedPlace, Told, marked_place_in
from tests.support.marks import Marks
from tests.support.place import SHIM
from tests.support.process_watch import Sight
from tests.support.programs import Home, new_home, read_line
from tests.support.tokens import ALICE

Words = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A command as it is used, `meant` being the secrets that its standard output is for."""

    words: Words
    meant: Collection[str] = ()
    stdin: Callable[[MarkedPlace], str] = lambda _: ""
    more: Callable[[MarkedPlace], Words] = lambda _: ()
    """Words that only the place knows."""
    env: Mapping[str, str] = field(default_factory=dict)
    as_job: bool = False


def _both(*words: str, **options: object) -> tuple[Row, Row]:
    """In words and as JSON."""
    return Row(words, **options), Row((*words, "--json"), **options)  # type: ignore[arg-type]


def _session(place: MarkedPlace) -> str:
    return place.broker.session_jwt(ALICE) + "\n"


def _by_wallet(place: MarkedPlace) -> Words:
    return ("--wallet", ALICE.wallet, "--signer-command", place.signer)


FORMATS = ("sh", "fish", "powershell", "dotenv", "json", "rclone", "mc")
PROFILES = ("data", "person", "service")
_SHOW = (sys.executable, "-I", "-c", "import os; print(dict(os.environ))")

ROWS: Mapping[str, Collection[Row]] = {
    "init": _both("init", "--broker-url", "https://broker.example.test", "--force"),
    "login": (
        *_both("login", "me", "--session-stdin", stdin=_session),
        *_both("login", "me", more=_by_wallet),
        *_both("login", "person", "--device"),
        *_both("login", "service"),
    ),
    "whoami": (*(r for p in PROFILES for r in _both("whoami", "-p", p)),),
    "exec": (
        *(Row(("exec", "-p", name, "--", "env"), CREDENTIALS) for name in PROFILES),
        Row(("exec", "-p", "job", "--", "env"), CREDENTIALS, as_job=True),
        Row(("exec", "--refresh", "--", *_SHOW), ("endpoint token",)),
        Row(("exec", "--refresh", "--", "sleep", "0.2")),
        Row(("exec", "--read-only", "--", "true")),
        Row(("exec", "--set", "MINE=secret_access_key", "--", "env"), CREDENTIALS),
        *_both("exec", "--explain", more=lambda _: ("--", "true")),
        Row(("exec", "--break-glass", "--reason", "a test", "--", "true")),
    ),
    "credential-process": (
        Row(("credential-process",), CREDENTIALS),
        Row(("credential-process", "-p", "job"), CREDENTIALS, as_job=True),
    ),
    "env": tuple(
        Row(("env", "-p", name, "--format", kind), CREDENTIALS)
        for name, kinds in (("data", FORMATS), ("person", ("sh",)), ("service", ("json",)))
        for kind in kinds
    ),
    "status": (
        *_both("status"),
        *_both("status", "person"),
        Row(("status", "-p", "service", "--min-ttl", "1m")),
    ),
    "runs": _both("runs"),
    "wait": _both("wait", "data", "--min-ttl", "1m", "--timeout", "1s"),
    "profiles": _both("profiles"),
    "stores": _both("stores"),
    "stores explain": (
        *_both("stores", "explain", "aws", "-p", "data"),
        *_both("stores", "explain", "aws", "-p", "data", "--revoke"),
    ),
    "configure-aws": (
        *_both("configure-aws", "data", "--diff"),
        *_both("configure-aws", "data"),
        *_both("configure-aws", "--undo"),
    ),
    "doctor": (*(r for p in PROFILES for r in _both("doctor", p)),),
    "audit": _both("audit"),
    "audit verify": _both("audit", "verify"),
    "hook bash": (Row(("hook", "bash")),),
    "hook zsh": (Row(("hook", "zsh")),),
    "hook fish": (Row(("hook", "fish")),),
    "hook complete": (Row(("hook", "complete", "--line", "agentkeys exec -p ")),),
    "prompt": (Row(("prompt",)), Row(("prompt", "--format", "{profile} {left}"))),
    "daemon install": (
        *_both("daemon", "install", "--print"),
        Row(("daemon", "install", "--print", "--system")),
    ),
    "daemon uninstall": _both("daemon", "uninstall"),
    "daemon logs": _both("daemon", "logs", "-n", "100000"),
    "daemon start": _both("daemon", "start"),
    "daemon status": _both("daemon", "status"),
    "daemon run": (Row(("daemon", "run")),),
    "daemon restart": _both("daemon", "restart"),
    "forget": (*_both("forget", "data"), *_both("forget")),
    "logout": (*_both("logout", "person"), *_both("logout", "me")),
    "daemon stop": _both("daemon", "stop", "--force"),
}
"""In the order in which they run; the last ones leave nothing behind."""

AT_A_SANDBOX = ("sandbox start", "sandbox claim", "sandbox stop", "demo")
"""These have servers of their own, and a test of their own."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """Whose programs say all that they have to say."""
    with new_home() as found:
        found.environment |= {
            "AGENTKEYS_LOG": "debug",
            "PYTHONDEVMODE": "1",
            "PYTHONFAULTHANDLER": "1",
        }
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[MarkedPlace]:
    with marked_place_in(home) as found:
        yield found


def test_every_command_is_tried() -> None:
    """A new one needs a row, and one more where it speaks JSON."""
    for name, command in _leaves(agentkeys):
        if name in AT_A_SANDBOX:
            continue
        rows = ROWS.get(name, ())
        assert rows, f"no row for {name}"
        speaks_json = any("--json" in parameter.opts for parameter in command.params)
        assert not speaks_json or any("--json" in row.words for row in rows), name


def _leaves(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    if command.invoke_without_command and path:
        yield " ".join(path), command
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found
        yield from _leaves(found, *path, name)


def test_no_command_leaks(place: MarkedPlace) -> None:
    """Neither when it works, nor a second time, nor when nobody is logged in any more."""
    stub = place.private / "systemctl"
    stub.write_text("#!/bin/sh\nexit 0\n")
    stub.chmod(0o700)
    place.home.environment["PATH"] = f"{place.private}:{place.home.environment['PATH']}"
    place.log_in()
    assert place.run("agentkeys", "login", "person", "--device").status == 0
    for rows in (*ROWS.values(), *reversed(list(ROWS.values()))):
        for row in rows:
            _use(place, row)
            if row.words[0] == "init":
                place.configure()
    place.run(SHIM, meant=CREDENTIALS)
    assert place.leaks() == []
    _check_that_it_was_looked_at(place)


def _use(place: MarkedPlace, row: Row) -> None:
    env = {**row.env, **(place.job if row.as_job else {})}
    words = (*row.words, *row.more(place))
    place.run("agentkeys", *words, stdin=row.stdin(place), env=env, meant=row.meant)


def _check_that_it_was_looked_at(place: MarkedPlace) -> None:
    """The test would be worth nothing if nothing had happened."""
    outputs = "".join(told.text for told in place.told if isinstance(told.text, str))
    assert place.marks.found_in(outputs) >= {*CREDENTIALS, "endpoint token"}
    log = (place.home.state / "logs" / "daemon.jsonl").read_text()
    assert '"debug"' in log
    ledger = (place.home.state / "audit" / "ledger.jsonl").read_text().splitlines()
    events = {json.loads(line)["event"] for line in ledger}
    assert events >= {"mint", "serve", "login", "logout", "forget", "run_start", "run_end"}
    daemons = [sight for sight in place.watch.sights if b"agentkeys_daemon" in sight.argv]
    assert daemons
    # Nobody but root may read the environment of one that cannot be traced.
    assert os.geteuid() != 0 or all(sight.environ for sight in daemons)
    assert any(sight.is_in_run for sight in place.watch.sights)


@contextlib.contextmanager
def _running_program(place: MarkedPlace) -> Iterator[None]:
    """One with a token at the endpoint, which is there to be searched."""
    program = ("agentkeys", "exec", "--refresh", "--", "sh", "-c", "echo; read _")
    with place.home.start(*program) as process:
        read_line(process.stdout)
        yield
        process.communicate("\n", timeout=60)


def test_a_running_program_s_token_lies_in_its_file_alone(place: MarkedPlace) -> None:
    """And in its own environment; `status` and `runs` do not show it either."""
    place.log_in()
    with _running_program(place):
        for words in (("status", "--json"), ("runs", "--json"), ("daemon", "restart", "--json")):
            assert place.run("agentkeys", *words).status == 0
        place.watch.look()
        place.note_endpoint_tokens()
        files = list(place.home.folder.rglob("*.token"))
        assert [place.marks.found_in(file.read_text()) for file in files] == [{"endpoint token"}]
        assert place.leaks() == []
        place.run("agentkeys", "forget", "--run", files[0].stem)
    place.run("agentkeys", "runs", "--json")
    assert place.leaks() == []
    assert list(place.home.folder.rglob("*.token")) == []


# The search itself: whatever is planted is found.

SECRET = "Zq3+vX/9-example.secret=%&<\"'\\value~of~forty~characters"

FORMS: Mapping[str, Callable[[str], str]] = {
    "raw": str,
    "first": lambda value: value[:12],
    "last": lambda value: value[-12:],
    "broken": lambda value: value[:20] + "\n    " + value[20:],
    "hex": lambda value: value.encode().hex(),
    "json": lambda value: json.dumps({"a": value}),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64-inside": lambda value: base64.b64encode(b"name:" + value.encode()).decode(),
    "base64url": lambda value: base64.urlsafe_b64encode(b"\0\0" + value.encode()).decode(),
    "percent": lambda value: "".join(f"%{byte:02X}" if byte in b"+/=%&<\"'\\" else chr(byte)
                                     for byte in value.encode()),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_any_form(form: str) -> None:
    """In the midst of something else."""
    marks = Marks()
    marks.note("secret", SECRET)
    marks.note("another", "0" * 40)
    assert marks.found_in(f"before {FORMS[form](SECRET)} after") == {"secret"}
    assert marks.found_in("nothing of it") == set()
    assert marks.found_in(FORMS[form](SECRET), but=["secret"]) == set()


def test_each_part_of_a_token_is_found() -> None:
    """Whoever has two of the three knows too much."""
    marks = Marks()
    header, payload, signature = "eyJhbGciOiJFUzI1NiJ9", "cGF5bG9hZC1vZi1pdA", "c2lnbmF0dXJlLW9m"
    marks.note("token", f"{header}.{payload}.{signature}")
    for part in (header, payload, signature):
        assert marks.found_in(f"x{part}x") == {"token"}


@pytest.mark.parametrize(
    "name",
    ["state/logs/daemon.jsonl", "state/audit/ledger.jsonl", "run/x", "config/x", "home/.x/y",
     "cache/x", "state/__pycache__/x.pyc", "work/core"],
)  # fmt: skip
def test_what_is_planted_in_a_file_is_found(place: MarkedPlace, name: str) -> None:
    """Wherever in the home it lies; also where it is the file's name."""
    mark = place.marks.fresh("planted")
    file = place.home.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as opened:
        opened.write(f"\n{mark}\n")
    named = file.with_name(mark)
    named.touch()
    try:
        assert place.leaks() == [f"{path}: planted" for path in sorted((file, named))]
    finally:
        file.unlink()
        named.unlink()


def test_what_is_planted_in_a_stream_is_found(place: MarkedPlace) -> None:
    """On either of them, and where other secrets are meant to be."""
    mark = place.marks.fresh("planted")
    place.told.append(Told("stdout of this", f"x {mark}", meant=CREDENTIALS))
    place.run("sh", "-c", f"echo {mark[:6]}{mark[6:12]} >&2")
    assert {leak.partition(" ")[0] for leak in place.leaks()} >= {"stdout", "stderr"}


@pytest.mark.parametrize("where", ["arguments", "environment"])
def test_what_is_planted_in_a_process_is_found(place: MarkedPlace, where: str) -> None:
    """While it runs, though it is none of ours."""
    mark = place.marks.fresh("planted")
    argv = ("sh", "-c", "echo; read _", *((mark,) if where == "arguments" else ()))
    with place.home.start(*argv, env={"X": mark} if where == "environment" else {}) as process:
        read_line(process.stdout)
        place.watch.look()
        process.communicate("\n", timeout=60)
    assert [leak.partition(" ")[0] for leak in place.leaks()] == [where]


def test_a_program_under_exec_may_have_its_credentials_alone(place: MarkedPlace) -> None:
    """Anything else in its environment would be found."""
    session = place.marks.fresh("broker session")
    key = place.marks.fresh("secret access key")
    environ = f"AGENTKEYS_RUN=x\0AWS_SECRET_ACCESS_KEY={key}\0X={session}\0".encode()
    place.watch.sights.add(Sight(b"program", environ))
    assert place.leaks() == ["environment of b'program': broker session"]
