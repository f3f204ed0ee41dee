"""Whether a client means the configuration that the daemon was started with."""

from __future__ import annotations

import os
from collections.abc import Mapping

from agentkeys.errors import ConfigMismatch
from agentkeys.protocol import SETTINGS, SETTINGS_HEADER, settings_token
from agentkeys_daemon.http import HttpRequest

__all__ = ["ClientSettings"]


class ClientSettings:
    """The daemon's own settings, for a look at those of its clients."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._own = settings_token(environ, os.getcwd)

    def check(self, request: HttpRequest) -> None:
        """Raises ConfigMismatch for a client with others."""
        if problem := self.mismatch(request):
            raise problem

    def mismatch(self, request: HttpRequest) -> ConfigMismatch | None:
        """What `check` would raise."""
        sent = request.headers.get(SETTINGS_HEADER, "")
        if sent == self._own:
            return None
        theirs, ours = _by_name(sent), _by_name(self._own)
        differing = [name for name in SETTINGS if theirs.get(name) != ours.get(name)]
        return ConfigMismatch(
            f"the daemon was started with another {' and '.join(differing) or 'set of them'}",
            hint="run: agentkeys daemon restart",
        )


def _by_name(token: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in token.split("&") if "=" in pair)
