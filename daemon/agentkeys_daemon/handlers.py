"""The paths of the socket: reads a request, calls the app, words the answer."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import unquote

from agentkeys.clock import format_utc
from agentkeys.config import REGION, Identity, Profile
from agentkeys.documents import credential_process_document
from agentkeys.errors import (
    AgentkeysError,
    ConfigError,
    ConfigMismatch,
    InsideRun,
    ProtocolError,
)
from agentkeys.protocol import (
    DEFAULT,
    NOTICE_HEADER,
    REGION_HEADER,
    SETTINGS,
    SETTINGS_HEADER,
    TERMINAL_HEADER,
    quote,
    settings_token,
)
from agentkeys.starter import daemon_environment
from agentkeys_daemon.app import App
from agentkeys_daemon.handed_over import handed_over
from agentkeys_daemon.http import (
    HttpAnswer,
    HttpRequest,
    Receive,
    Scope,
    Send,
    json_answer,
    read_request,
)
from agentkeys_daemon.identity_handlers import IdentityHandlers
from agentkeys_daemon.notices import ToldOnce, short_session
from agentkeys_daemon.prompt import prompt_line
from agentkeys_daemon.refusals import refusal
from agentkeys_daemon.runs.asked import AskedRun
from agentkeys_daemon.runs.gate import check_inside
from agentkeys_daemon.runs.run import Run
from agentkeys_daemon.settings import check_settings
from agentkeys_daemon.status import StatusView

__all__ = ["Handlers"]

log = logging.getLogger("agentkeys.daemon")

Handler = Callable[[HttpRequest, str], Awaitable[HttpAnswer]]
MANY = 100_000_000
"""Seconds that no lease lasts."""
ENVIRONMENT_TYPE = "text/x-environment"
"""NAME=VALUE entries, each closed by a NUL, as `env -0` and /proc/PID/environ have them."""


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
        self._view = view
        self._settings = settings_token(environ, os.getcwd)
        self._stop = stop
        self._restart_as = restart
        self._told = ToldOnce()
        self._identities = IdentityHandlers(app=app, view=view)
        self._serving = (self._credentials, self._environment, self._begin_run)
        # Who only looks needs no token, and changes nothing for those who do.
        self._fetching = (*self._serving, self._refresh, self._identities.whoami)
        self._plain: dict[tuple[str, ...], Handler] = {
            ("GET", "health"): self._health,
            ("GET", "status"): self._status,
            ("POST", "shutdown"): self._shutdown,
            ("POST", "restart"): self._restart,
            ("GET", "profiles"): self._profiles,
            ("GET", "runs"): self._list_runs,
            ("DELETE", "leases"): self._forget_all,
        }
        self._named: dict[tuple[str, ...], Handler] = {
            ("GET", "profiles", "credentials"): self._credentials,
            ("GET", "profiles", "environment"): self._environment,
            ("GET", "profiles", "status"): self._profile_status,
            ("GET", "profiles", "prompt"): self._prompt,
            ("POST", "profiles", "runs"): self._begin_run,
            ("POST", "profiles", "refresh"): self._refresh,
            ("DELETE", "profiles", "leases"): self._forget,
            ("DELETE", "runs"): self._forget_run,
            ("GET", "identities"): self._identities.whoami,
            ("GET", "identities", "status"): self._identities.status,
            ("PUT", "identities", "session"): self._identities.log_in,
            ("DELETE", "identities", "session"): self._identities.log_out,
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
                self._check_settings(request)
                if handler in self._fetching and not inside:
                    await self._take_over(request, route, name)
            return await handler(request, name)
        except AgentkeysError as problem:
            if isinstance(problem, InsideRun) or handler in self._serving:
                run_id = inside.run.id if inside and inside.run else None
                profile = self._known_profile(name) if route[1] == "profiles" and name else None
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
        profile = self._known_profile(run.profile)
        return profile is not None and profile.identity == identity

    def _check_settings(self, request: HttpRequest) -> None:
        """A client with other settings means another configuration than the one we would use."""
        sent = request.headers.get(SETTINGS_HEADER, "")
        if sent == self._settings:
            return
        theirs, ours = _by_name(sent), _by_name(self._settings)
        differing = [name for name in SETTINGS if theirs.get(name) != ours.get(name)]
        raise ConfigMismatch(
            f"the daemon was started with another {' and '.join(differing) or 'set of them'}",
            hint="run: agentkeys daemon restart",
        )

    async def _take_over(self, request: HttpRequest, route: tuple[str, ...], name: str) -> None:
        """What the client's environment has to fetch tokens with."""
        for session in handed_over(request.headers):
            is_profile = route[1] == "profiles"
            identity = (
                self._profile(name).identity if is_profile else self._identities.identity(name)
            )
            await self._app.logins.take_over(identity, session, request.peer)

    async def _health(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer(self._view.health())

    async def _status(self, request: HttpRequest, name: str) -> HttpAnswer:
        try:
            self._check_settings(request)
        except ConfigMismatch as problem:
            return json_answer(self._view.status(mismatch=problem))
        return json_answer(self._view.status())

    async def _profile_status(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer(self._view.status(self._profile(name)))

    async def _prompt(self, request: HttpRequest, name: str) -> HttpAnswer:
        line = prompt_line(self._view.status(self._profile(name)))
        return HttpAnswer(200, "text/plain; charset=utf-8", line.encode())

    async def _shutdown(self, request: HttpRequest, name: str) -> HttpAnswer:
        is_forced = bool(request.body) and request.json().get("force") is True
        if not is_forced:
            self._app.runs.check_none_live()
        self._stop()
        return json_answer(self._view.health())

    async def _restart(self, request: HttpRequest, name: str) -> HttpAnswer:
        sent = request.json().get("environment")
        if not isinstance(sent, dict) or not all(map(_is_variable, sent.items())):
            raise ProtocolError("the request holds no environment", hint="send it as an object")
        environ = daemon_environment(sent)
        # Before this daemon is gone, and with it what it may hold in memory alone.
        check_settings(environ)
        self._restart_as(environ)
        return json_answer(self._view.health())

    async def _profiles(self, request: HttpRequest, name: str) -> HttpAnswer:
        self._check_settings(request)
        return json_answer(self._view.profiles())

    async def _credentials(self, request: HttpRequest, name: str) -> HttpAnswer:
        lease = await self._app.credentials(
            self._profile(name), request.peer, inside=request.inside
        )
        return HttpAnswer(200, "application/json", credential_process_document(lease))

    async def _environment(self, request: HttpRequest, name: str) -> HttpAnswer:
        variables = await self._app.environment(
            self._profile(name),
            request.peer,
            inside=request.inside,
            inherited_region=_region(request),
        )
        return _entries(variables)

    async def _begin_run(self, request: HttpRequest, name: str) -> HttpAnswer:
        profile = self._profile(name)
        asked = AskedRun.parse(request.json() if request.body else {})
        region = _region(request)
        starter, inside = self._app.runs.starter, request.inside
        if asked.is_explained:
            return _entries(
                await starter.explain(profile, asked, inside=inside, inherited_region=region)
            )
        variables = await starter.begin(
            profile, request.peer, asked, inside=inside, inherited_region=region
        )
        headers = self._notice(profile) if TERMINAL_HEADER in request.headers else ()
        return _entries(variables, headers)

    async def _list_runs(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer({"version": 1, "runs": self._view.runs()})

    async def _forget_run(self, request: HttpRequest, name: str) -> HttpAnswer:
        until = await self._app.runs.forget(name, request.peer)
        return json_answer({"version": 1, "run": name, "credentials_live_until": _utc(until)})

    def _notice(self, profile: Profile) -> tuple[tuple[str, str], ...]:
        """What a person who starts a program has to be told about `profile`, the first time."""
        notice = short_session(profile, self._view.held(profile))
        if notice is None or not self._told.is_news(notice):
            return ()
        return ((NOTICE_HEADER, quote(f"{notice.message}\n{notice.hint}")),)

    async def _refresh(self, request: HttpRequest, name: str) -> HttpAnswer:
        seconds = request.json().get("min_ttl_seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds < MANY:
            raise ProtocolError("the request holds no min_ttl_seconds", hint="send whole seconds")
        profile = self._profile(name)
        await self._app.ensure(profile, timedelta(seconds=seconds), inside=request.inside)
        return json_answer(self._view.status(profile, inside=request.inside))

    async def _forget(self, request: HttpRequest, name: str) -> HttpAnswer:
        profile = self._profile(name)
        until = await self._app.forget(profile, request.peer)
        return _forgotten([profile.name], until)

    async def _forget_all(self, request: HttpRequest, name: str) -> HttpAnswer:
        self._check_settings(request)
        until = await self._app.forget(None, request.peer)
        return _forgotten(list(self._app.config.profiles), until)

    def _profile(self, name: str) -> Profile:
        return self._app.config.profile(None if name == DEFAULT else name)

    def _known_profile(self, name: str) -> Profile | None:
        try:
            return self._profile(name)
        except ConfigError:
            return None


def _is_variable(entry: tuple[str, object]) -> bool:
    name, value = entry
    return isinstance(value, str) and "\0" not in f"{name}{value}" and "=" not in name


def _route(request: HttpRequest) -> tuple[tuple[str, ...], str]:
    """What is asked for, and the profile, identity or run that the path names."""
    match request.path.split("/"):
        case ["", "v1", kind]:
            return (request.method, kind), ""
        case ["", "v1", kind, name, *part] if name:
            return (request.method, kind, *part), unquote(name)
    return (request.method, ""), ""


def _utc(at: datetime | None) -> str | None:
    return format_utc(at) if at else None


def _forgotten(profiles: list[str], until: datetime | None) -> HttpAnswer:
    return json_answer(
        {
            "version": 1,
            "profiles": profiles,
            "credentials_live_until": _utc(until),
        }
    )


def _entries(variables: Mapping[str, str], headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    body = "".join(f"{name}={value}\0" for name, value in variables.items())
    return HttpAnswer(200, ENVIRONMENT_TYPE, body.encode("utf-8", "surrogateescape"), headers)


def _region(request: HttpRequest) -> str | None:
    """A client's AWS_REGION, which ends up in variables and a file; None if it cannot be one."""
    sent = request.headers.get(REGION_HEADER, "")
    return sent if REGION.fullmatch(sent) else None


def _by_name(token: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in token.split("&") if "=" in pair)
