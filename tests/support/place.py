"""A user's home, a broker and a store, and every door through which credentials are served."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.broker import FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.programs import Finished, Home, new_home
from tests.support.raw_http import RawAnswer, ask
from tests.support.tokens import ALICE, User

__all__ = [
    "DOORS",
    "EXEC",
    "PROCESS_DOORS",
    "REFRESH",
    "ROLE",
    "SHIM",
    "SOCKET_DOORS",
    "Outcome",
    "Place",
    "assert_keeps_secrets",
    "assert_refused",
    "new_place",
    "place_in",
    "render_toml",
]

ROLE = "arn:aws:iam::111122223333:role/data"
SHIM = "agentkeys-credential-process"
EXEC = "agentkeys exec"
REFRESH = "agentkeys exec --refresh"

# What a FakeSts gives, and how every JWT begins.
_SECRET = re.compile(r"secret-\d|session-\d|eyJ[A-Za-z0-9_-]{8}")
_KEY = re.compile(r"ASIA\d{16}|\b0{9}\d{10}\b")

_NAMES = ("MinIO", "Ceph", "SeaweedFS")

Tables = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came out of a door."""

    served: bool
    """Whether it claims success."""
    text: str
    """Everything that it gave."""

    @property
    def key(self) -> str | None:
        """The access key in it."""
        found = _KEY.search(self.text)
        return found and found[0]

    @property
    def holds_credentials(self) -> bool:
        return bool(self.key or _SECRET.search(self.text))


@dataclass
class Place:
    """A home whose configuration leads to a broker and a store of a test's own.

    `tables` is the configuration to write next; at first a sound one, with a profile `data`.
    """

    home: Home
    broker: FakeBroker
    sts: FakeSts
    tables: Tables = field(default_factory=dict)
    sessions: list[str] = field(default_factory=list)
    """Every session that somebody has logged in with."""

    def __post_init__(self) -> None:
        self.tables = {
            "identities": {"me": {"source": "broker", "url": self.broker.url}},
            "stores": {"lab": {"kind": self.sts.store, "sts_endpoint": self.sts.url}},
            "profiles": {"data": self.sound_profile()},
        }

    def sound_profile(self, **changes: Any) -> Tables:
        """A profile whose broker tokens confine their user; None takes a key out."""
        confine = "tags" if self.sts.store in ("aws", "ceph") else "claim:agentkeys_user_wallet"
        profile = {"identity": "me", "store": "lab", "role_arn": ROLE, "confine": confine}
        return {name: value for name, value in (profile | changes).items() if value is not None}

    def configure(self) -> None:
        """Writes `tables` as the configuration."""
        self.home.configure(render_toml(self.tables))

    def start_over(self) -> None:
        """The daemon forgets what failed: a configuration that has changed may mend it."""
        self.configure()

    def log_in(self, user: User = ALICE, *, identity: str = "me", **options: Any) -> str:
        """Logs in with a fresh session of `user`; returns its JWT."""
        session = self.broker.session_jwt(user, **options)
        answer = self.hand_over(session, identity=identity)
        assert answer.status == 200, answer
        self.sessions.append(session)
        return session

    def hand_over(self, session: str, *, identity: str = "me", url: str | None = None) -> RawAnswer:
        """What the daemon says to a session, said to be of the identity's broker or of `url`."""
        at = self.tables["identities"][identity]["url"] if url is None else url
        body = json.dumps({"session_jwt": session, "url": at}).encode()
        return ask(self.home, "PUT", f"/v1/identities/{identity}/session", body=body)

    def log_out(self) -> None:
        assert ask(self.home, "DELETE", "/v1/identities/me/session").status == 200

    def through(self, door: str, profile: str = "data") -> Outcome:
        """What one of DOORS gives."""
        return DOORS[door](self.home, profile)

    def run_programs(
        self, *options: str, env: Mapping[str, str] | None = None
    ) -> tuple[Finished, Finished]:
        """The shim and `exec` at the same time; what `exec` runs would leave a file behind."""
        with ThreadPoolExecutor(2) as pool:
            shim = pool.submit(self.home.run, SHIM, *options, env=env)
            run = pool.submit(
                self.home.run, "agentkeys", "exec", *options, "--", "touch", "ran", env=env
            )
        return shim.result(), run.result()

    def status(self) -> Any:
        """What the daemon says of itself."""
        return ask(self.home, "GET", "/v1/status").json()


def _program(*argv: str) -> Callable[[Home, str], Outcome]:
    def open_door(home: Home, profile: str) -> Outcome:
        done = home.run(*argv[:2], "--profile", profile, *argv[2:])
        return Outcome(done.status == 0, done.stdout + done.stderr)

    return open_door


def _request(method: str, part: str) -> Callable[[Home, str], Outcome]:
    def open_door(home: Home, profile: str) -> Outcome:
        answer = ask(home, method, f"/v1/profiles/{profile}/{part}")
        return Outcome(answer.status == 200, answer.body.decode())

    return open_door


# Asks as an SDK does, prints what it gets, and ends with 0 where that is credentials.
_FETCH = """\
import os, sys, urllib.error, urllib.request
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
address = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
asked = urllib.request.Request(address, headers={"Authorization": token})
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    print(os.environ.get("AGENTKEYS_S3_PREFIX"), direct.open(asked).read().decode())
except urllib.error.HTTPError as problem:
    print(problem.code, problem.read().decode())
    sys.exit(1)
"""


def _shim(home: Home, profile: str) -> Outcome:
    done = home.run(SHIM, "--profile", profile)
    return Outcome(done.status == 0, done.stdout + done.stderr)


PROCESS_DOORS: Mapping[str, Callable[[Home, str], Outcome]] = {
    SHIM: _shim,
    "agentkeys credential-process": _program("agentkeys", "credential-process"),
    EXEC: _program("agentkeys", "exec", "--", "env"),
    REFRESH: _program("agentkeys", "exec", "--refresh", "--", sys.executable, "-I", "-c", _FETCH),
}
SOCKET_DOORS: Mapping[str, Callable[[Home, str], Outcome]] = {
    "GET credentials": _request("GET", "credentials"),
    "POST runs": _request("POST", "runs"),
}
DOORS = {**PROCESS_DOORS, **SOCKET_DOORS}


def assert_keeps_secrets(text: str, sessions: Collection[str] = ()) -> None:
    """Nothing of a token, of a session or of what a store gives is in `text`."""
    assert not _SECRET.search(text), text
    for session in sessions:
        assert not any(part in text for part in session.split(".") if len(part) > 8), text


def assert_refused(
    done: Finished, status: int, error: str, hint: str, sessions: Collection[str] = ()
) -> None:
    """Nothing on stdout, an error that holds `error` and a hint that holds `hint` on stderr."""
    assert (done.status, done.stdout) == (status, ""), done
    found_error, found_hint = done.complaint()
    assert error in found_error, done
    assert hint in found_hint, done
    for line in (found_error, found_hint):
        assert line == line.strip()
        assert not re.search(r"[^.]\.$", line), line
        first = line.split()[0]
        assert first[0] == first[0].lower() or first == first.upper() or first in _NAMES, line
    assert_keeps_secrets(done.stderr, sessions)


def render_toml(tables: Tables) -> str:
    """Plain values at the top, then every named table."""
    lines = [f"{key} = {_value(v)}" for key, v in tables.items() if not isinstance(v, dict)]
    for kind, named in tables.items():
        for name, keys in named.items() if isinstance(named, dict) else ():
            lines.append(f"[{kind}.{json.dumps(name)}]")
            lines += [f"{key} = {_value(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@contextmanager
def place_in(home: Home, *users: User, store: str = "aws") -> Iterator[Place]:
    """A new broker and store for `home`, whose daemon is told of them; ALICE is logged in."""
    with FakeBroker(*users) as broker, FakeSts(store) as sts:
        place = Place(home, broker, sts)
        place.configure()
        place.log_in()
        yield place


@contextmanager
def new_place(*users: User) -> Iterator[Place]:
    """A place in a home of its own, where a daemon runs."""
    with new_home() as home:
        home.succeed("agentkeys", "daemon", "start")
        with place_in(home, *users) as place:
            yield place
