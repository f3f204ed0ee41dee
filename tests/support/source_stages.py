"""Token sources at work, each with all around it that the contract suite changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from agentkeys.broker import BrokerClient
from agentkeys.clock import Clock
from agentkeys.config import SecretPlace
from agentkeys.errors import LoginFailed, SourceAbsent
from agentkeys.keeper import Keeper
from agentkeys.secret import Secret
from agentkeys.sessions import BrokerSession, GithubSession, parse_broker_session
from agentkeys.tokens import TokenSource
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.tokens.command import CommandTokenSource
from agentkeys.tokens.file import FileTokenSource
from agentkeys.tokens.github import GithubTokenSource
from agentkeys.tokens.sandbox import SandboxTokenSource
from agentkeys.transport import Transport
from tests.fakes.broker import FakeBroker
from tests.fakes.github_issuer import FakeGithub
from tests.fakes.issuer import SERVICE, SERVICE_SECRET, FakeIssuer
from tests.fakes.vault import FragileVault
from tests.support.moved_clock import MovedClock
from tests.support.oidc_place import OidcPlace, an_identity
from tests.support.token_script import TokenScript
from tests.support.tokens import ALICE, AUDIENCE, BOB, User, web_identity_jwt

__all__ = [
    "BrokerStage",
    "CommandStage",
    "FileStage",
    "GithubStage",
    "HandedFileStage",
    "OidcStage",
    "SandboxStage",
    "ServiceStage",
    "until",
]


def until(claim: Callable[[], bool]) -> None:
    """Returns when it is true; blocks meanwhile."""
    end = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


class _Stage:
    """Nothing special about it."""

    def __init__(self, source: TokenSource) -> None:
        self.source = source
        self.secrets: tuple[str, ...] = ()

    async def renew(self) -> None:
        """Tokens are made when they are asked for."""


class BrokerStage(_Stage):
    """Somebody who has logged in at a broker."""

    def __init__(self, broker: FakeBroker, transport: Transport) -> None:
        self.broker = broker
        self.keeper = _keeper(transport, broker.clock)
        self.user = ALICE
        self._held = ExitStack()
        client = BrokerClient(url=broker.url, transport=transport)
        super().__init__(
            BrokerTokenSource(
                broker=client, sessions=self.keeper.of(BrokerSession), times=transport.times
            )
        )

    @classmethod
    @asynccontextmanager
    async def set(cls) -> AsyncIterator[BrokerStage]:
        clock = MovedClock()
        with FakeBroker(ALICE, BOB, clock=clock) as broker:
            async with _transport(clock) as transport:
                stage = cls(broker, transport)
                await stage.find()
                yield stage

    @property
    def sub(self) -> str:
        return _sub(self.user)

    async def lose(self) -> None:
        await self.keeper.forget_session()

    async def find(self) -> None:
        jwt = self.broker.session_jwt(self.user)
        self.secrets += (jwt,)
        await self.keeper.keep_session(parse_broker_session(Secret(jwt), url=self.broker.url))

    async def hold(self) -> None:
        with suppress(AssertionError):
            while True:
                self.broker.wait_for_request(0)
        self._held.enter_context(self.broker.stuck())

    async def arrive(self) -> None:
        await asyncio.to_thread(self.broker.wait_for_request)

    async def release(self) -> None:
        self._held.close()

    async def change(self) -> None:
        self.user = BOB
        await self.find()


class SandboxStage(BrokerStage):
    """A made-up user, who needs the broker alone, until that is gone as well."""

    def __init__(self, broker: FakeBroker, transport: Transport) -> None:
        super().__init__(broker, transport)
        assert isinstance(self.source, BrokerTokenSource)
        self._gone = False
        self.source = SandboxTokenSource(source=self.source, log_in=self._log_in)

    async def lose(self) -> None:
        await super().lose()
        self._gone = True

    async def find(self) -> None:
        self._gone = False

    async def change(self) -> None:
        self.user = BOB
        await super().find()

    async def _log_in(self) -> None:
        if self._gone:
            raise LoginFailed("the sandbox is gone", hint="run: agentkeys sandbox start")
        await super().find()


class FileStage(_Stage):
    """A file whose writer does not rename, so that readers may find half a token."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "token"
        self.clock = MovedClock()
        self.user = ALICE
        self._waits = asyncio.Event()
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        super().__init__(FileTokenSource(path=self._where, clock=self.clock, sleep=self._sleep))
        self._write(web_identity_jwt(ALICE))

    @classmethod
    @asynccontextmanager
    async def set(cls) -> AsyncIterator[FileStage]:
        with TemporaryDirectory() as folder:
            yield cls(Path(folder))

    @property
    def sub(self) -> str:
        return _sub(self.user)

    async def renew(self) -> None:
        self._write(web_identity_jwt(self.user))

    async def lose(self) -> None:
        self.path.unlink()

    find = renew

    async def hold(self) -> None:
        self._waits.clear()
        self._goes_on.clear()
        self.path.write_text(web_identity_jwt(self.user)[:40])

    async def arrive(self) -> None:
        await self._waits.wait()

    async def release(self) -> None:
        await self.renew()
        self._goes_on.set()

    async def change(self) -> None:
        self.user = BOB
        await self.renew()

    def _where(self) -> Path:
        return self.path

    def _write(self, token: str) -> None:
        self.path.touch(mode=0o600)
        self.path.write_text(token)
        self.secrets += (token,)

    async def _sleep(self, _seconds: float) -> None:
        self._waits.set()
        await self._goes_on.wait()


class HandedFileStage(FileStage):
    """The same, where the file is whichever a client's environment names."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._is_set = True

    async def lose(self) -> None:
        self._is_set = False

    async def find(self) -> None:
        self._is_set = True

    def _where(self) -> Path:
        if not self._is_set:
            raise SourceAbsent("no token file is named", hint="set AWS_WEB_IDENTITY_TOKEN_FILE")
        return self.path


class CommandStage(_Stage):
    """A command that prints another token each time."""

    def __init__(self, folder: Path) -> None:
        self.script = TokenScript(folder)
        self.clock = MovedClock()
        self.user = ALICE
        self._runs = 0
        super().__init__(
            CommandTokenSource(
                argv=self.script.argv, timeout=timedelta(seconds=20), clock=self.clock
            )
        )
        self.secrets = (self.script.secret,)
        self._lay_out()

    @classmethod
    @asynccontextmanager
    async def set(cls) -> AsyncIterator[CommandStage]:
        with TemporaryDirectory() as folder:
            yield cls(Path(folder))

    @property
    def sub(self) -> str:
        return _sub(self.user)

    async def lose(self) -> None:
        self.script.give([])

    async def find(self) -> None:
        self._lay_out()
        self.clock.move(timedelta(seconds=5))

    async def hold(self) -> None:
        self.script.hold()
        self._runs = self.script.runs

    async def arrive(self) -> None:
        await asyncio.to_thread(until, lambda: self.script.runs > self._runs)

    async def release(self) -> None:
        self.script.release()

    async def change(self) -> None:
        self.user = BOB
        self._lay_out()

    def _lay_out(self) -> None:
        tokens = [web_identity_jwt(self.user) for _ in range(20)]
        self.secrets += tuple(tokens)
        self.script.give(tokens)


class GithubStage(_Stage):
    """A job of GitHub Actions."""

    def __init__(self, github: FakeGithub, transport: Transport) -> None:
        self.github = github
        self.keeper = _keeper(transport, github.clock)
        self.sub = "repo:an-owner/a-repository:ref:refs/heads/main"
        self._job = github.start_job(self.sub)
        super().__init__(
            GithubTokenSource(
                sessions=self.keeper.of(GithubSession), audience=AUDIENCE, transport=transport
            )
        )
        self.secrets = (self._job.request_token.reveal(),)

    @classmethod
    @asynccontextmanager
    async def set(cls) -> AsyncIterator[GithubStage]:
        clock = MovedClock()
        with FakeGithub(clock=clock) as github:
            async with _transport(clock) as transport:
                stage = cls(github, transport)
                await stage.find()
                yield stage

    async def lose(self) -> None:
        await self.keeper.forget_session()

    async def find(self) -> None:
        await self.keeper.keep_session(self._job)

    async def hold(self) -> None:
        self.github.hold()

    async def arrive(self) -> None:
        await asyncio.to_thread(self.github.wait_for_request)

    async def release(self) -> None:
        self.github.release()

    async def change(self) -> None:
        self.sub = "repo:an-owner/another:environment:production"
        self._job = self.github.start_job(self.sub)
        self.secrets += (self._job.request_token.reveal(),)
        await self.find()


class _IssuerStage(_Stage):
    """Whatever an issuer is asked for tokens by."""

    def __init__(self, source: TokenSource, issuer: FakeIssuer) -> None:
        super().__init__(source)
        self.issuer = issuer
        self._requests = 0

    async def hold(self) -> None:
        self._requests = len(self.issuer.requests)
        self.issuer.hold()

    async def arrive(self) -> None:
        await asyncio.to_thread(until, lambda: len(self.issuer.requests) > self._requests)

    async def release(self) -> None:
        self.issuer.release()


class OidcStage(_IssuerStage):
    """Somebody who has logged in at an issuer that rotates refresh tokens."""

    def __init__(self, issuer: FakeIssuer, place: OidcPlace) -> None:
        super().__init__(place.source, issuer)
        self.place = place

    @classmethod
    @asynccontextmanager
    async def set(cls) -> AsyncIterator[OidcStage]:
        clock = MovedClock()
        with FakeIssuer(clock=clock) as issuer:
            async with _transport(clock) as transport:
                stage = cls(issuer, OidcPlace(an_identity(issuer.url), transport, clock))
                await stage.find()
                yield stage
                await stage.place.refreshes.settle()

    @property
    def sub(self) -> str:
        return self.issuer.user

    async def lose(self) -> None:
        await self.place.keeper.forget_session()

    async def find(self) -> None:
        session = await self.place.log_in()
        assert session.refresh_token is not None
        self.secrets += (session.refresh_token.reveal(),)

    async def change(self) -> None:
        self.issuer.user = "bob"
        await self.find()


class ServiceStage(_IssuerStage):
    """A service that is itself the client of an issuer."""

    sub = SERVICE

    def __init__(self, issuer: FakeIssuer, transport: Transport, clock: MovedClock) -> None:
        self._environ = {"AGENTKEYS_CLIENT_SECRET": SERVICE_SECRET}
        identity = an_identity(
            issuer.url,
            client_id=SERVICE,
            flow="client_credentials",
            token="access",
            secret=SecretPlace(variable="AGENTKEYS_CLIENT_SECRET"),
        )
        super().__init__(OidcPlace(identity, transport, clock, self._environ).service, issuer)
        self.secrets = (SERVICE_SECRET,)

    @classmethod
    @asynccontextmanager
    async def set(cls) -> AsyncIterator[ServiceStage]:
        clock = MovedClock()
        with FakeIssuer(clock=clock) as issuer:
            async with _transport(clock) as transport:
                yield cls(issuer, transport, clock)

    async def lose(self) -> None:
        self._environ.clear()

    async def find(self) -> None:
        self._environ["AGENTKEYS_CLIENT_SECRET"] = SERVICE_SECRET

    async def change(self) -> None:
        raise AssertionError("a service is who it is")


@asynccontextmanager
async def _transport(clock: MovedClock) -> AsyncIterator[Transport]:
    transport = Transport(clock=clock)
    try:
        yield transport
    finally:
        await transport.aclose()


def _keeper(transport: Transport, clock: Clock) -> Keeper:
    return Keeper(
        identity="me",
        account="me",
        vault=FragileVault(),
        clock=clock,
        times=transport.times,
    )


def _sub(user: User) -> str:
    return f"agentkeys:agent:{user.subject}"
