"""No secret is anywhere that it is not meant to be, whatever goes wrong.

Every server repeats what it was sent, in every way that it can; keyring, disk, configuration and
the daemon itself fail. What is searched, and how, is told in test_nothing_leaks.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentkeys.errors import AgentkeysError
from agentkeys.protocol import handed_headers
from agentkeys.secret import Secret
from agentkeys.vault.keyring_vault import KeyringVault
from agentkeys_daemon.log import open_log
from tests.support.marked_place import CREDENTIALS, Answer, MarkedPlace, Told, marked_place_in
from tests.support.marks import Marks
from tests.support.misbehaviour import ANSWERS
from tests.support.offspring import offspring
from tests.support.place import SHIM
from tests.support.programs import Home, new_home, read_line
from tests.support.raw_http import ask
from tests.support.tokens import ALICE


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as found:
        found.environment["AGENTKEYS_LOG"] = "debug"
        found.succeed("agentkeys", "daemon", "start")
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[MarkedPlace]:
    """Everybody is logged in, and what people's tokens say is over at once."""
    with marked_place_in(home) as found:
        found.log_in()
        _log_in_person(found)
        yield found


def _log_in_person(place: MarkedPlace) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    place.issuer.claims["exp"] = int(soon.timestamp())
    assert place.run("agentkeys", "login", "person", "--device").status == 0


def mint(place: MarkedPlace, profile: str = "data", *, because: str = "") -> int:
    """Has the daemon mint for a profile; its answer is recorded like a program's."""
    ask(place.home, "DELETE", f"/v1/profiles/{profile}/leases")
    answer = ask(place.home, "GET", f"/v1/profiles/{profile}/credentials", headers=_handed(place))
    meant = CREDENTIALS if answer.status == 200 else ()
    place.told.append(Told(f"answer for {profile}, {because}", answer.body, meant))
    return answer.status


def _handed(place: MarkedPlace) -> dict[str, str]:
    return dict(handed_headers(place.job, os.getcwd))


def look_around(place: MarkedPlace) -> None:
    """What people do when something is wrong."""
    place.run("agentkeys", "status", "--json")
    place.run("agentkeys", "daemon", "logs", "-n", "100000")
    place.run("agentkeys", "audit", "--json")


@pytest.mark.parametrize("server", ["broker", "sts", "issuer", "github"])
def test_a_server_that_repeats_what_it_was_sent_tells_nobody(
    place: MarkedPlace, server: str
) -> None:
    """In pages, refusals, redirects and headers, as it was or encoded, whole or in part."""
    profile = {"issuer": "service", "github": "job"}.get(server, "data")
    statuses = set()
    for name, answer in ANSWERS.items():
        place.behave()
        getattr(place, server).misbehave = _posts(answer) if server == "issuer" else answer
        statuses.add(mint(place, profile, because=name))
    assert min(statuses - {200}) >= 400
    look_around(place)
    assert place.leaks() == []


def test_an_issuer_that_repeats_a_refresh_token_tells_nobody(place: MarkedPlace) -> None:
    """The longest-lived of all secrets."""
    for name in SOME:
        place.behave()
        _log_in_person(place)
        place.issuer.misbehave = _posts(ANSWERS[name])
        assert mint(place, "person", because=name) >= 400
    assert [True for request in place.issuer.requests if b"refresh_token=" in request.content]
    look_around(place)
    assert place.leaks() == []


def _posts(answer: Answer) -> Answer:
    """Its description is what it should be, its answers with tokens are not."""
    return lambda request: answer(request) if request.method == "POST" else None


def _at(path: str, answer: Answer) -> Answer:
    return lambda request: answer(request) if path in request.target else None


LOGINS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "wallet": ("broker", "/wallet/verify", ("me", "--wallet", ALICE.wallet)),
    "email": ("broker", "/status/", ("me", "--email", "me@example.com")),
    "oauth2": ("broker", "/status/", ("me", "--oauth2", "--no-browser")),
    "managed": ("broker", "/dev/sign-message", ("me", "--email", "me@example.com")),
    "pairing": ("broker", "/pairing/poll", ("me", "--pair")),
    "device": ("issuer", "/token", ("person", "--device")),
}
SOME = ("json 200", "json 400", "end", "unseen", "redirect")


@pytest.mark.parametrize("way", LOGINS)
def test_a_login_that_fails_tells_nothing(place: MarkedPlace, way: str) -> None:
    """Neither the ticket, which is as good as the session, nor the signature, nor the session."""
    server, path, words = LOGINS[way]
    for name in SOME:
        place.behave()
        getattr(place, server).misbehave = _at(path, ANSWERS[name])
        more = ("--signer-command", place.signer) if way == "wallet" else ()
        if way == "managed":
            finishing = threading.Timer(0.6, place.broker.finish_logins)
            finishing.start()
        with place.home.start("agentkeys", "login", *words, *more) as login:
            # One that takes no notice of what it is told would wait for its person.
            with contextlib.suppress(subprocess.TimeoutExpired):
                login.wait(timeout=2)
            login.send_signal(signal.SIGINT)
            out, rest = login.communicate(timeout=60)
        place.told += [Told(f"stdout, {name}", out), Told(f"stderr, {name}", rest)]
    assert place.leaks() == []


BROKEN_LINES: Mapping[str, Callable[[bytes], bytes]] = {
    "no http": lambda sent: sent,
    "a status line of secrets": lambda sent: b"HTTP/1.1 400 " + sent.replace(b"\r\n", b" "),
    "a header without a name": lambda sent: b"HTTP/1.1 200 OK\r\n" + sent[:200] + b"\r\n\r\n",
    "half a body": lambda sent: b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + sent,
    "a length of secrets": lambda sent: b"HTTP/1.1 200 OK\r\nContent-Length: " + sent[-40:],
    "a chunk of secrets": lambda sent: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent[-60:] + b"\r\n"
    ),
    "nothing": lambda sent: b"",
}


@contextlib.contextmanager
def repeating(make: Callable[[bytes], bytes]) -> Iterator[str]:
    """A server that answers each connection with what `make` makes of the request, and hangs up."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not over.is_set():
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5)
                    connection.sendall(make(connection.recv(65_536)))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        over.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join()


@pytest.mark.parametrize("server", ["broker", "sts", "github"])
def test_what_is_no_http_tells_nothing(place: MarkedPlace, server: str) -> None:
    """The libraries below quote what they choke on."""
    for name, make in BROKEN_LINES.items():
        with repeating(make) as url:
            place.behave()
            _lead_to(place, server, url)
            mint(place, "job" if server == "github" else "data", because=name)
    assert place.leaks() == []


def _lead_to(place: MarkedPlace, server: str, url: str) -> None:
    if server == "github":
        place.job["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"{url}/x"
        return
    if server == "broker":
        # The session is of the broker at that address.
        place.tables["identities"]["me"]["url"] = url
    else:
        place.tables["stores"]["lab"]["sts_endpoint"] = f"{url}/"
    place.configure()
    if server == "broker":
        place.run("agentkeys", "login", "me", "--session-stdin", stdin=_session(place, url))


def _session(place: MarkedPlace, issuer: str = "") -> str:
    return place.broker.session_jwt(ALICE, **({"issuer": issuer} if issuer else {})) + "\n"


def test_tls_that_fails_tells_nothing(place: MarkedPlace) -> None:
    """Where clear text answers, nothing secret has been said yet."""
    for server, url in (("broker", place.broker.url), ("sts", place.sts.url)):
        place.behave()
        _lead_to(place, server, url.replace("http:", "https:").removesuffix("/"))
        assert mint(place) != 200
    assert place.leaks() == []


def test_a_store_that_says_nothing_tells_nothing(place: MarkedPlace) -> None:
    """Whoever waits in vain is told for how long."""
    with place.sts.stuck():
        done = place.run(SHIM)
    assert done.status == 1
    look_around(place)
    assert place.leaks() == []


HOSTILE_SESSIONS: Mapping[str, Callable[[str], str]] = {
    "a line too many": lambda session: f"{session}\nX-Other: {session}\n",
    "half": lambda session: session[: len(session) // 2],
    "with spaces": lambda session: f"{session} {session}\n",
    "in quotes": lambda session: f'"{session}"\n',
    "as a header": lambda session: f"Authorization: Bearer {session}\n",
    "with a return": lambda session: f"{session}\rX: y\n",
    "without its payload": lambda session: f"{session.split('.')[0]}..{session.split('.')[2]}",
    "not ascii": lambda session: session.replace(".", "·"),
    "twice": lambda session: session * 2,
}


def test_a_session_that_is_none_is_not_repeated(place: MarkedPlace) -> None:
    """Neither where it is pasted nor where it might come to stand in a header."""
    for name, spoil in HOSTILE_SESSIONS.items():
        session = spoil(_session(place).strip())
        done = place.run("agentkeys", "login", "me", "--session-stdin", stdin=session)
        assert done.status != 0, name
    assert place.leaks() == []


def test_a_secret_in_the_wrong_place_is_not_repeated(place: MarkedPlace) -> None:
    """Of the configuration, the environment or the command line it says where, and not what."""
    secret = place.marks.fresh("misplaced secret")
    for table, key, value in (
        ("service", "client_secret", secret),
        ("service", "client_secret_env", secret),
        ("me", "url", f"https://user:{secret}@broker.example.test"),
        ("me", "signer_url", f"https://user:{secret}@broker.example.test"),
        ("service", "issuer", f"https://user:{secret}@issuer.example.test"),
    ):
        place.behave()
        place.tables["identities"][table][key] = value
        place.configure()
        for words in (("whoami",), ("status",), ("status", "--json"), ("doctor",), ("profiles",)):
            place.run("agentkeys", *words)
        place.home.configure("")
        assert place.leaks() == [], (table, key)


def test_a_source_that_talks_too_much_is_not_repeated(place: MarkedPlace) -> None:
    """Commands' standard error, files with something else in them, secrets that are no secrets."""
    secret = place.marks.fresh("secret of a source")
    path = place.keep("source", f"{secret}\n{secret}\n")
    shell = ("sh", "-c")
    talking = [*shell, f"cat {path} >&2; cat {path}; exit 3"]
    quiet = [*shell, f"cat {path} >&2; cat {path}"]
    for identity in (
        {"source": "command", "argv": talking},
        {"source": "command", "argv": quiet},
        {"source": "file", "path": str(path)},
        {**place.tables["identities"]["service"], "client_secret_command": talking},
        {**place.tables["identities"]["service"], "client_secret_command": quiet},
        {**place.tables["identities"]["service"], "private_key_file": str(path)},
    ):
        place.behave()
        if {"client_secret_command", "private_key_file"} & set(identity):
            identity.pop("client_secret_file")
        place.tables["identities"]["service"] = identity
        place.configure()
        place.run("agentkeys", "whoami", "-p", "service")
        assert place.run("agentkeys", "env", "-p", "service").status != 0, identity
    assert place.leaks() == []


@pytest.mark.parametrize("words", [("env",), ("status", "--json"), ("credential-process",)])
def test_an_output_that_takes_nothing_more_leaves_nothing_elsewhere(
    place: MarkedPlace, words: tuple[str, ...]
) -> None:
    """A full disk, a closed pipe: what was to be printed is not in the complaint."""
    for redirection in (">/dev/full", ">&-", "| true"):
        line = f"agentkeys {' '.join(words)} {redirection}"
        place.run("sh", "-c", line, env={"PYTHONDEVMODE": "1", "PYTHONFAULTHANDLER": "1"})
    assert place.leaks() == []


def test_a_full_disk_tells_nothing(place: MarkedPlace) -> None:
    """What could not be written is in no message and in no other file."""
    pid = place.home.daemon_pid()
    assert pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        assert mint(place) == 200
        place.run("agentkeys", "exec", "--refresh", "--", "true")
        look_around(place)
        place.log_in()
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert mint(place) == 200
    assert place.leaks() == []


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_daemon_that_crashes_leaves_nothing_behind(number: signal.Signals) -> None:
    """No core, and nothing in what Python says of its end."""
    with new_home() as home, marked_place_in(home) as place:
        home.environment["AGENTKEYS_LOG"] = "debug"
        argv = (sys.executable, "-X", "dev", "-X", "faulthandler", "-m", "agentkeys_daemon")
        env = {"PYTHONPATH": str(Path(__file__).parents[2])}
        with offspring(), home.start(*argv, env=env) as daemon:
            assert read_line(daemon.stderr) == "agentkeys: ready"
            place.log_in()
            assert mint(place) == 200
            with home.start("agentkeys", "exec", "--refresh", "--", "sleep", "60") as program:
                _wait_until(lambda: any(home.folder.rglob("*.token")))
                place.watch.look()
                place.note_endpoint_tokens()
                daemon.send_signal(number)
                out, errors = daemon.communicate(timeout=60)
                program.kill()
                program.communicate()
        assert daemon.returncode == -number
        place.told += [Told("stdout of the daemon", out), Told("stderr of the daemon", errors)]
        assert not list(home.folder.rglob("core*"))
        look_around(place)
        assert place.leaks() == []


def _wait_until(condition: Callable[[], bool]) -> None:
    end = datetime.now(UTC) + timedelta(seconds=30)
    while not condition():
        assert datetime.now(UTC) < end


def test_a_program_of_ours_that_crashes_tells_nothing(place: MarkedPlace) -> None:
    """What Python prints of its end names lines, not values."""
    with place.sts.stuck():
        env = {"PYTHONFAULTHANDLER": "1", "PYTHONDEVMODE": "1"}
        for words in (("wait", "data", "--min-ttl", "10h"), ("whoami", "-p", "person")):
            for number in (signal.SIGABRT, signal.SIGINT):
                with place.home.start("agentkeys", *words, env=env) as program:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        program.wait(timeout=1)
                    program.send_signal(number)
                    out, errors = program.communicate(timeout=60)
                place.told += [Told("stdout", out), Told("stderr", errors)]
    assert place.leaks() == []


ACTS = ("die", "answer once", "locked once", "garbage", "half", "another id", "no blob", "flood")


@pytest.mark.parametrize("act", ACTS)
def test_a_keyring_helper_that_fails_tells_nothing(tmp_path: Path, act: str) -> None:
    """It had the login in its hands; neither error, log nor command line have it."""
    marks = Marks()
    blob = marks.fresh("kept blob")
    command = [sys.executable, "-m", "tests.fakes.vault_helper", str(tmp_path / "kept"), act]
    (tmp_path / "kept").mkdir()
    told: list[str] = []

    async def story() -> None:
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
        vault = KeyringVault(environment=environ, command=command)
        try:
            for blob_to_keep in (Secret(blob), None):
                try:
                    if blob_to_keep:
                        await vault.save("me", blob_to_keep)
                    else:
                        told.append(repr(await vault.load("me")))
                except AgentkeysError as problem:
                    told.append(f"{problem!r} {problem.message} {problem.hint} {problem.__cause__}")
        finally:
            await vault.aclose()

    with open_log(tmp_path / "logs" / "daemon.jsonl", level=logging.DEBUG):
        asyncio.run(story())
    log = (tmp_path / "logs" / "daemon.jsonl").read_text(encoding="utf-8")
    assert '"keyring: save' in log
    assert marks.found_in(log + "".join(told)) == set()
