"""Who answers which path of the socket, and what a client may ask for at all."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import unquote

from agentkeys.config import Identity
from agentkeys.errors import AgentkeysError, InsideRun, ProtocolError
from agentkeys.protocol import DEFAULT
from agentkeys_daemon.app import App
from agentkeys_daemon.handed_over import handed_over
from agentkeys_daemon.handlers.daemon import DaemonHandlers
from agentkeys_daemon.handlers.identities import IdentityHandlers
from agentkeys_daemon.handlers.profiles import ProfileHandlers
from agentkeys_daemon.handlers.settings import ClientSettings
from agentkeys_daemon.http import HttpAnswer, HttpRequest, Receive, Scope, Send, read_request
from agentkeys_daemon.refusals import refusal
from agentkeys_daemon.runs.gate import check_inside
from agentkeys_daemon.runs.run import Run
from agentkeys_daemon.status import StatusView

__all__ = ["Handlers"]

log = logging.getLogger("agentkeys.daemon")

Handler = Callable[[HttpRequest, str], Awaitable[HttpAnswer]]


class Handlers:
    """The daemon's ASGI application."""

    def __init__(
        self,
        *,
        app: App,
        view: StatusView,
        environ: Mapping[str, str],
        stop: Callable[[], None],
        restart: Callable[[Mapping[str, str]], None],
    ) -> None:
        """`restart` gets the next daemon's environment."""
        self._app = app
        self._settings = ClientSettings(environ)
        self._profiles = profiles = ProfileHandlers(app=app, view=view)
        self._identities = identities = IdentityHandlers(app=app, view=view)
        own = DaemonHandlers(
            app=app, view=view, settings=self._settings, stop=stop, restart=restart
        )
        self._serving = (profiles.credentials, profiles.environment, profiles.begin_run)
        # Who only looks needs no token, and changes nothing for those who do.
        self._fetching = (*self._serving, profiles.refresh, identities.whoami)
        self._plain: dict[tuple[str, ...], Handler] = {
            ("GET", "health"): own.health,
            ("GET", "status"): own.status,
            ("POST", "shutdown"): own.shutdown,
            ("POST", "restart"): own.restart,
            ("GET", "profiles"): own.profiles,
            ("GET", "ledger"): own.ledger,
            ("GET", "runs"): own.list_runs,
            ("DELETE", "leases"): own.forget_all,
        }
        self._named: dict[tuple[str, ...], Handler] = {
            ("GET", "profiles", "credentials"): profiles.credentials,
            ("GET", "profiles", "environment"): profiles.environment,
            ("GET", "profiles", "status"): profiles.status,
            ("GET", "profiles", "prompt"): profiles.prompt,
            ("POST", "profiles", "runs"): profiles.begin_run,
            ("POST", "profiles", "refresh"): profiles.refresh,
            ("POST", "profiles", "diagnosis"): profiles.diagnose,
            ("DELETE", "profiles", "leases"): profiles.forget,
            ("DELETE", "runs"): own.forget_run,
            ("GET", "identities"): identities.whoami,
            ("GET", "identities", "status"): identities.status,
            ("PUT", "identities", "session"): identities.log_in,
            ("DELETE", "identities", "session"): identities.log_out,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await read_request(scope, receive)
            answer = await self._answer(request)
        except AgentkeysError as problem:
            answer = refusal(problem)
        except Exception as problem:  # noqa: BLE001 - the top level of a request
            # Only its type: an unforeseen exception's text may quote what it choked on.
            log.error("unforeseen %s at %s", type(problem).__name__, scope["path"])  # noqa: TRY400
            answer = refusal(
                AgentkeysError(
                    f"the daemon failed unexpectedly ({type(problem).__name__})",
                    hint="run: agentkeys daemon logs",
                )
            )
        await answer.send(send)

    async def _answer(self, request: HttpRequest) -> HttpAnswer:
        route, name = _route(request)
        handler = (self._named if name else self._plain).get(route)
        if handler is None:
            raise ProtocolError(
                f"the daemon has nothing at {request.method[:20]} {request.path[:100]!r}",
                hint="run: agentkeys daemon restart",
            )
        inside = self._app.runs.around(request.peer)
        try:
            if inside:
                check_inside(inside, route, self._meant(route, name, inside.run))
                request = replace(request, inside=inside.run)
            if name:
                self._settings.check(request)
                if handler in self._fetching and not inside:
                    await self._take_over(request, route, name)
            return await handler(request, name)
        except AgentkeysError as problem:
            if isinstance(problem, InsideRun) or handler in self._serving:
                run_id = inside.run.id if inside and inside.run else None
                profile = (
                    self._profiles.known_profile(name) if route[1] == "profiles" and name else None
                )
                self._app.records.refused(profile, problem, request.peer, run_id=run_id)
            raise

    def _meant(self, route: tuple[str, ...], name: str, run: Run | None) -> str:
        """The profile that is meant; for an identity, that of a run which has this identity."""
        if route[1] == "identities" and run and self._is_own(self._identities.identity(name), run):
            return run.profile
        if route[1] == "profiles" and name == DEFAULT:
            return self._app.config.profile(None).name
        return name

    def _is_own(self, identity: Identity, run: Run) -> bool:
        profile = self._profiles.known_profile(run.profile)
        return profile is not None and profile.identity == identity

    async def _take_over(self, request: HttpRequest, route: tuple[str, ...], name: str) -> None:
        """What the client's environment has to fetch tokens with."""
        is_profile = route[1] == "profiles"
        found = self._profiles.profile(name).identity if is_profile else None
        identity = found or self._identities.identity(name)
        await self._app.logins.take_over(identity, handed_over(request.headers), request.peer)


def _route(request: HttpRequest) -> tuple[tuple[str, ...], str]:
    """What is asked for, and the profile, identity or run that the path names."""
    match request.path.split("/"):
        case ["", "v1", kind]:
            return (request.method, kind), ""
        case ["", "v1", kind, name, *part] if name:
            return (request.method, kind, *part), unquote(name)
    return (request.method, ""), ""
