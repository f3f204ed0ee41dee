"""The paths about no one profile or identity: the daemon itself, and everything at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agentkeys.errors import ProtocolError
from agentkeys.starter import daemon_environment
from agentkeys_daemon.app import App
from agentkeys_daemon.configured import configured_profiles
from agentkeys_daemon.handlers.forgotten import forgotten
from agentkeys_daemon.handlers.settings import ClientSettings
from agentkeys_daemon.http import HttpAnswer, HttpRequest, json_answer
from agentkeys_daemon.settings import check_settings
from agentkeys_daemon.status import StatusView

__all__ = ["DaemonHandlers"]


class DaemonHandlers:
    """Each takes a request and the name that its path holds, if any; raises AgentkeysError."""

    def __init__(
        self,
        *,
        app: App,
        view: StatusView,
        settings: ClientSettings,
        stop: Callable[[], None],
        restart: Callable[[Mapping[str, str]], None],
    ) -> None:
        """`restart` gets the next daemon's environment."""
        self._app = app
        self._view = view
        self._settings = settings
        self._stop = stop
        self._restart_as = restart

    async def health(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer(self._view.health())

    async def status(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer(self._view.status(mismatch=self._settings.mismatch(request)))

    async def shutdown(self, request: HttpRequest, name: str) -> HttpAnswer:
        is_forced = bool(request.body) and request.json().get("force") is True
        if not is_forced:
            self._app.runs.check_none_live()
        self._stop()
        return json_answer(self._view.health())

    async def restart(self, request: HttpRequest, name: str) -> HttpAnswer:
        sent = request.json().get("environment")
        if not isinstance(sent, dict) or not all(map(_is_variable, sent.items())):
            raise ProtocolError("the request holds no environment", hint="send it as an object")
        environ = daemon_environment(sent)
        # Before this daemon is gone, and with it what it may hold in memory alone.
        check_settings(environ)
        self._restart_as(environ)
        return json_answer(self._view.health())

    async def profiles(self, request: HttpRequest, name: str) -> HttpAnswer:
        self._settings.check(request)
        return json_answer(configured_profiles(self._app.config))

    async def ledger(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer(self._view.ledger())

    async def list_runs(self, request: HttpRequest, name: str) -> HttpAnswer:
        return json_answer({"version": 1, "runs": self._view.runs()})

    async def forget_run(self, request: HttpRequest, name: str) -> HttpAnswer:
        until = await self._app.runs.forget(name, request.peer)
        return forgotten({"run": name}, until)

    async def forget_all(self, request: HttpRequest, name: str) -> HttpAnswer:
        self._settings.check(request)
        until = await self._app.forgetting.forget(None, request.peer)
        return forgotten({"profiles": list(self._app.config.profiles)}, until)


def _is_variable(entry: tuple[str, object]) -> bool:
    name, value = entry
    return isinstance(value, str) and "\0" not in f"{name}{value}" and "=" not in name
