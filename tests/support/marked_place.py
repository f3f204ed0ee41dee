"""A home with servers of every kind whose secrets are all known, and a record of all it shows."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.broker import BrokerRequest, FakeBroker
from tests.fakes.github_issuer import FakeGithub, GithubRequest
from tests.fakes.http_fake import RecordedRequest, Reply, json_reply
from tests.fakes.issuer import FakeIssuer, IssuerRequest
from tests.fakes.sts import FakeSts
from tests.support.marks import Marks, files_below
from tests.support.place import render_toml
from tests.support.process_watch import ProcessWatch, Sight
from tests.support.programs import Finished, Home
from tests.support.tokens import ALICE, User

__all__ = ["CREDENTIALS", "Answer", "MarkedPlace", "Told", "marked_place_in"]

CREDENTIALS = ("secret access key", "session token")
"""What programs are given, and nobody else."""

Answer = Callable[[RecordedRequest], Reply | None]
"""What a server that misbehaves says to a request, with whatever that holds; None: as it should."""

ROLE = "arn:aws:iam::111122223333:role/data"
_BEARER = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_TOKEN_VARIABLE = "AWS_CONTAINER_AUTHORIZATION_TOKEN"


class _MarkedBroker(FakeBroker):
    def __init__(self, marks: Marks) -> None:
        super().__init__(ALICE)
        self.marks = marks
        self.misbehave: Answer | None = None
        self.signature = marks.note("wallet signature", "0x" + marks.fresh("wallet signature") * 3)
        self.signature = marks.note("wallet signature", self.signature[:132])

    def session_jwt(self, user: User | None = None, **options: Any) -> str:
        return self.marks.note("broker session", super().session_jwt(user, **options))

    def _ticket(self, kind: str, digits: int) -> str:
        return self.marks.note("login ticket", f"{super()._ticket(kind, digits)}-of-a-login")

    def _answer(self, request: BrokerRequest) -> Reply:
        if self.misbehave and (bad := self.misbehave(request)):
            return bad
        if request.path == "/dev/sign-message":
            return json_reply({"address": ALICE.wallet, "signature": self.signature})
        return _noted(super()._answer(request), self.marks)


class _MarkedSts(FakeSts):
    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.misbehave: Answer | None = None
        self._secret = marks.fresh("secret access key", more="+/")
        self._session = marks.fresh("session token", more="+/=%&<")

    def credentials(self, number: int, body: bytes) -> bytes:
        """With the marks in place of what it would give."""
        session = self._session.replace("&", "&amp;").replace("<", "&lt;").encode()
        body = body.replace(b">secret-%d<" % number, b">%s<" % self._secret.encode())
        return body.replace(b">session-%d<" % number, b">%s<" % session)

    def _answer(self, request: RecordedRequest) -> Reply:
        if self.misbehave and (bad := self.misbehave(request)):
            return bad
        reply = super()._answer(request)
        assert isinstance(reply.body, bytes)
        return Reply(reply.status, self.credentials(request.number, reply.body), reply.headers)


class _MarkedIssuer(FakeIssuer):
    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.marks = marks
        self.misbehave: Answer | None = None
        self.device = {"interval": 1}
        self.claims = {"policy": "readwrite"}
        self.service = "service", marks.fresh("client secret", more="%+&ü ")

    def _next(self, kind: str) -> str:
        return self.marks.note("login ticket", f"{super()._next(kind)}-of-a-login")

    def _answer(self, request: IssuerRequest) -> Reply:
        if self.misbehave and (bad := self.misbehave(request)):
            return bad
        return _noted(super()._answer(request), self.marks)


class _MarkedGithub(FakeGithub):
    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.marks = marks
        self.misbehave: Answer | None = None

    def _answer(self, request: GithubRequest) -> Reply:
        if self.misbehave and (bad := self.misbehave(request)):
            return bad
        return _noted(super()._answer(request), self.marks)


def _noted(reply: Reply, marks: Marks) -> Reply:
    if isinstance(reply.body, bytes) and reply.body.startswith(b"{"):
        marks.note_answer(reply.body)
    return reply


@dataclass(frozen=True)
class Told:
    """What somebody could read, where, and which secrets are meant to be there."""

    where: str
    text: str | bytes = field(repr=False)
    meant: Collection[str] = ()


@dataclass
class MarkedPlace:
    """Profiles `data` (broker), `person`, `service` (issuer) and `job` (GitHub), all at one store.

    `told` is all that its programs have written to their standard streams.
    """

    home: Home
    marks: Marks
    broker: _MarkedBroker
    sts: _MarkedSts
    issuer: _MarkedIssuer
    github: _MarkedGithub
    watch: ProcessWatch
    told: list[Told] = field(default_factory=list)
    tables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.private = self.home.folder / "private"
        """What the user keeps there is meant to be there."""
        self.private.mkdir(mode=0o700, exist_ok=True)
        self.tables = self.sound_tables()
        job = self.github.start_job("repo:me/mine:ref:refs/heads/main")
        self.job = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": job.request_url,
            _BEARER: self.marks.note("handed bearer", job.request_token.reveal()),
        }

    def sound_tables(self) -> dict[str, Any]:
        """A configuration that is right."""
        secret = self.keep("client-secret", self.issuer.service[1])
        oidc = {"source": "oidc", "issuer": self.issuer.url}
        service = {"client_id": self.issuer.service[0], "client_secret_file": str(secret)}
        profile = {"store": "lab", "role_arn": ROLE}
        return {
            "default_profile": "data",
            "identities": {
                "me": {"source": "broker", "url": self.broker.url, "signer_url": self.broker.url},
                "person": {**oidc, "client_id": "people"},
                "service": {**oidc, **service, "flow": "client_credentials"},
                "job": {"source": "github"},
            },
            "stores": {"lab": {"kind": "aws", "sts_endpoint": self.sts.url}},
            "profiles": {
                "data": {**profile, "identity": "me"},
                "person": {**profile, "identity": "person", "confine": "claim:policy"},
                "service": {**profile, "identity": "service", "confine": "claim:policy"},
                "job": {**profile, "identity": "job", "confine": "claim:repository"},
            },
        }

    def keep(self, name: str, text: str) -> Path:
        """A file of the user's own, for nobody else."""
        path = self.private / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def signer(self) -> str:
        """A command that signs, whatever it is asked to."""
        return shlex.join(["cat", str(self.keep("signature", self.broker.signature))])

    def configure(self) -> None:
        self.home.configure(render_toml(self.tables))

    def behave(self) -> None:
        """Everybody does what is right again, and the daemon forgets what failed."""
        for server in (self.broker, self.sts, self.issuer, self.github):
            server.misbehave = None
        self.tables = self.sound_tables()
        self.configure()

    def run(
        self,
        *argv: str,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        meant: Collection[str] = (),
    ) -> Finished:
        """Runs a program; `meant` are the secrets that its standard output is asked for."""
        done = self.home.run(*argv, stdin=stdin, env=env)
        words = shlex.join(argv)
        self.told.append(Told(f"stdout of {words}", done.stdout, meant))
        self.told.append(Told(f"stderr of {words}", done.stderr))
        return done

    def log_in(self) -> None:
        """Everybody who has to."""
        session = self.broker.session_jwt(ALICE)
        self.run("agentkeys", "login", "me", "--session-stdin", stdin=session + "\n")

    def note_endpoint_tokens(self) -> None:
        """Those of the programs that have been seen."""
        for sight in self.watch.sights:
            if token := sight.variables.get(_TOKEN_VARIABLE):
                self.marks.note("endpoint token", token.decode())

    def leaks(self) -> list[str]:
        """Every place where there is a trace of a secret that is not meant to be there."""
        self.watch.look()
        self.note_endpoint_tokens()
        found = [
            f"{told.where}: {name}"
            for told in self.told
            for name in self.marks.found_in(told.text, but=told.meant)
        ]
        found += [
            f"{path}: {name}"
            for path, content in files_below(self.home.folder)
            if self.private not in path.parents
            for name in self.marks.found_in(content, but=self._meant_in(path))
        ]
        return found + [
            f"{what} of {sight.argv!r}: {name}"
            for sight in self.watch.sights
            for what, name in self._leaks_of(sight)
        ]

    def _meant_in(self, path: Path) -> Collection[str]:
        # The one exception of all files: what a run's own program shows at the endpoint.
        is_token_file = path.suffix == ".token" and path.parent.suffix == ".runs"
        return ("endpoint token",) if is_token_file else ()

    def _leaks_of(self, sight: Sight) -> Iterator[tuple[str, str]]:
        yield from (("arguments", name) for name in self.marks.found_in(sight.argv))
        meant = (*CREDENTIALS, "endpoint token") if sight.is_in_run else ()
        environ = sight.environ or b""
        if b"agentkeys_daemon" not in sight.argv and not sight.is_in_run:
            # Where a job of GitHub's begins a program of ours, its bearer is there already.
            environ = environ.replace(self.job[_BEARER].encode(), b"")
        for name in self.marks.found_in(environ, but=meant):
            yield "environment", name


@contextmanager
def marked_place_in(home: Home) -> Iterator[MarkedPlace]:
    """Servers of every kind for `home`; nobody is logged in."""
    marks = Marks()
    with (
        _MarkedBroker(marks) as broker,
        _MarkedSts(marks) as sts,
        _MarkedIssuer(marks) as issuer,
        _MarkedGithub(marks) as github,
        ProcessWatch(home) as watch,
    ):
        place = MarkedPlace(home, marks, broker, sts, issuer, github, watch)
        place.configure()
        yield place
