"""The paths below /v1/profiles/NAME: credentials, runs, and how a profile's lease stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from agentkeys.config import REGION, Profile
from agentkeys.documents import credential_process_document
from agentkeys.errors import ConfigError, ProtocolError, SourceAbsent
from agentkeys.protocol import DEFAULT, NOTICE_HEADER, REGION_HEADER, TERMINAL_HEADER, quote
from agentkeys_daemon.app import App
from agentkeys_daemon.handed_over import handed_over
from agentkeys_daemon.handlers.forgotten import forgotten
from agentkeys_daemon.http import HttpAnswer, HttpRequest, json_answer
from agentkeys_daemon.notices import ToldOnce, short_session
from agentkeys_daemon.prompt import prompt_line
from agentkeys_daemon.runs.asked import AskedRun
from agentkeys_daemon.status import StatusView

__all__ = ["ProfileHandlers"]

MANY = 100_000_000
"""Seconds that no lease lasts."""
ENVIRONMENT_TYPE = "text/x-environment"
"""NAME=VALUE entries, each closed by a NUL, as `env -0` and /proc/PID/environ have them."""


class ProfileHandlers:
    """Each takes a request and the name that its path holds; raises AgentkeysError."""

    def __init__(self, *, app: App, view: StatusView) -> None:
        self._app = app
        self._view = view
        self._told = ToldOnce()

    def profile(self, name: str) -> Profile:
        """As the configuration has it; raises UnknownProfile."""
        return self._app.config.profile(None if name == DEFAULT else name)

    def known_profile(self, name: str) -> Profile | None:
        """The same, or None while nobody can tell."""
        try:
            return self.profile(name)
        except ConfigError:
            return None

    async def status(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer(self._view.status(self.profile(name)))

    async def prompt(self, request: HttpRequest, name: str) -> HttpAnswer:
        line = prompt_line(self._view.status(self.profile(name)))
        return HttpAnswer(200, "text/plain; charset=utf-8", line.encode())

    async def credentials(self, request: HttpRequest, name: str) -> HttpAnswer:
        lease = await self._app.credentials(self.profile(name), request.peer, inside=request.inside)
        return HttpAnswer(200, "application/json", credential_process_document(lease))

    async def environment(self, request: HttpRequest, name: str) -> HttpAnswer:
        variables = await self._app.environment(
            self.profile(name),
            request.peer,
            inside=request.inside,
            inherited_region=_region(request),
        )
        return _entries(variables)

    async def begin_run(self, request: HttpRequest, name: str) -> HttpAnswer:
        profile = self.profile(name)
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

    def _notice(self, profile: Profile) -> tuple[tuple[str, str], ...]:
        """What a person who starts a program has to be told about `profile`, the first time."""
        notice = short_session(profile, self._view.held(profile))
        if notice is None or not self._told.is_news(notice):
            return ()
        return ((NOTICE_HEADER, quote(f"{notice.message}\n{notice.hint}")),)

    async def refresh(self, request: HttpRequest, name: str) -> HttpAnswer:
        seconds = request.json().get("min_ttl_seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds < MANY:
            raise ProtocolError("the request holds no min_ttl_seconds", hint="send whole seconds")
        profile = self.profile(name)
        await self._app.ensure(profile, timedelta(seconds=seconds), inside=request.inside)
        return json_answer(self._view.status(profile, inside=request.inside))

    async def diagnose(self, request: HttpRequest, name: str) -> HttpAnswer:
        profile = self.profile(name)
        absent = None
        try:
            await self._app.logins.take_over(
                profile.identity, handed_over(request.headers), request.peer
            )
        except SourceAbsent as problem:
            absent = problem  # a diagnosis as well, and no reason to look at nothing else
        hardening = self._view.health().get("hardening")
        findings = await self._app.diagnosis.examine(profile, hardening=hardening, absent=absent)
        documents = [finding.to_document() for finding in findings]
        return json_answer({"version": 1, "profile": profile.name, "findings": documents})

    async def forget(self, request: HttpRequest, name: str) -> HttpAnswer:
        profile = self.profile(name)
        until = await self._app.forgetting.forget(profile, request.peer)
        return forgotten({"profiles": [profile.name]}, until)


def _entries(variables: Mapping[str, str], headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    body = "".join(f"{name}={value}\0" for name, value in variables.items())
    return HttpAnswer(200, ENVIRONMENT_TYPE, body.encode("utf-8", "surrogateescape"), headers)


def _region(request: HttpRequest) -> str | None:
    """A client's AWS_REGION, which ends up in variables and a file; None if it cannot be one."""
    sent = request.headers.get(REGION_HEADER, "")
    return sent if REGION.fullmatch(sent) else None
