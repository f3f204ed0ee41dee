"""The paths of the socket below /v1/identities: who is logged in, logging in and out."""

from __future__ import annotations

from typing import Any

from agentkeys.config import Identity, Profile
from agentkeys.protocol import DEFAULT, OF_PROFILE
from agentkeys_daemon.app import App
from agentkeys_daemon.handlers.forgotten import forgotten
from agentkeys_daemon.http import HttpAnswer, HttpRequest, json_answer
from agentkeys_daemon.status import StatusView

__all__ = ["IdentityHandlers"]


class IdentityHandlers:
    """Each takes a request and the name that its path holds; raises AgentkeysError."""

    def __init__(self, *, app: App, view: StatusView) -> None:
        self._app = app
        self._view = view

    def identity(self, name: str) -> Identity:
        """As the configuration has it; raises UnknownIdentity, UnknownProfile."""
        config = self._app.config
        if name.startswith(OF_PROFILE):
            return config.profile(name.removeprefix(OF_PROFILE)).identity
        return config.identity(None if name == DEFAULT else name)

    async def whoami(self, request: HttpRequest, name: str) -> HttpAnswer:
        identity = self.identity(name)
        await self._app.logins.identify(identity)
        return json_answer(self._person(identity))

    async def status(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer(self._view.status(of=self.identity(name)))

    async def log_in(self, request: HttpRequest, name: str) -> HttpAnswer:
        identity = self.identity(name)
        await self._app.logins.log_in(identity, request.json(), request.peer)
        keeper = self._app.identities.keeper(identity)
        kept = self._app.opened.detail if keeper.trouble is None else keeper.trouble.message
        return json_answer({**self._person(identity), "kept": kept})

    async def log_out(self, request: HttpRequest, name: str) -> HttpAnswer:
        identity = self.identity(name)
        until = await self._app.logins.log_out(identity, request.peer)
        return forgotten({"identity": identity.name}, until)

    def _person(self, identity: Identity) -> dict[str, Any]:
        profile = self._profile_of(identity)
        lease = self._view.held(profile) if profile else None
        return self._view.identities.whoami(identity, profile, lease)

    def _profile_of(self, identity: Identity) -> Profile | None:
        """The profile whose role is told with an identity: the default one, else its first."""
        config = self._app.config
        own = [p for p in config.profiles.values() if p.identity.name == identity.name]
        default = [p for p in own if p.name == config.default_profile]
        return next(iter(default + own), None)
