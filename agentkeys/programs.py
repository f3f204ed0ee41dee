"""For Python programs: a profile's credentials, asked of the daemon.

Both clients start a daemon where none runs, keep nothing and may be shared: `Client` by threads,
`AsyncClient` by tasks and event loops. They fail with the leaves of `AgentkeysError`: a refusal is
a `RemoteError` whose `code` says what is wrong (`login_required`, `unknown_profile`, …), the rest
are `DaemonNotRunning`, `DaemonTimeout`, `ProtocolError`, `PeerRefused` and `ConfigError`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Self

from anyio import fail_after, to_thread

from agentkeys.async_client import request_async
from agentkeys.client import Response, request
from agentkeys.client_failures import refusal, too_late
from agentkeys.errors import DaemonNotRunning
from agentkeys.protocol import CLIENT_DEADLINE, DEFAULT, quote_name, region_header
from agentkeys.served import ServedCredentials, parse_served
from agentkeys.starter import ensure_daemon

__all__ = ["AsyncClient", "Client"]


class _Asking:
    """What both clients have in common: whom they ask, and for what."""

    def __init__(
        self, profile: str | None = None, *, environ: Mapping[str, str] | None = None
    ) -> None:
        """For a profile by name, else that of AGENTKEYS_PROFILE, else the default one.

        `environ` takes the place of the process's environment, as it is now.
        """
        self._environ = dict(os.environ if environ is None else environ)
        self._profile = profile or self._environ.get("AGENTKEYS_PROFILE") or DEFAULT
        self._headers = region_header(self._environ)

    def for_profile(self, name: str) -> Self:
        """One that asks the same daemon for another profile."""
        return type(self)(name, environ=self._environ)

    def _path(self) -> str:
        return f"/v1/profiles/{quote_name(self._profile)}/environment"


class Client(_Asking):
    """Asks for a profile's credentials, and waits."""

    def credentials(self, *, timeout: float = CLIENT_DEADLINE) -> ServedCredentials:
        """Credentials that are good now, after `timeout` seconds at the latest.

        Warm ones come within a millisecond; where there are none yet, they are minted first.
        """
        end = time.monotonic() + timeout
        try:
            return _served(self._ask(end))
        except DaemonNotRunning:
            pass
        ensure_daemon(self._environ, deadline=end)
        return _served(self._ask(end, starting=True))

    def _ask(self, end: float, *, starting: bool = False) -> Response:
        return request(
            "GET",
            self._path(),
            environ=self._environ,
            headers=self._headers,
            deadline=end,
            starting=starting,
        )


class AsyncClient(_Asking):
    """Asks for a profile's credentials, and lets others run meanwhile."""

    async def credentials(self, *, timeout: float = CLIENT_DEADLINE) -> ServedCredentials:  # noqa: ASYNC109 - as `Client` has it
        """Credentials that are good now, after `timeout` seconds at the latest.

        Any number of tasks may await it at once, and each may be cancelled at any time.
        """
        end = time.monotonic() + timeout
        try:
            return _served(await self._ask(end))
        except DaemonNotRunning:
            pass
        await self._start(end)
        return _served(await self._ask(end, starting=True))

    async def _ask(self, end: float, *, starting: bool = False) -> Response:
        return await request_async(
            "GET",
            self._path(),
            environ=self._environ,
            headers=self._headers,
            seconds=end - time.monotonic(),
            starting=starting,
        )

    async def _start(self, end: float) -> None:
        # Rare, and over in a second or two: the one thing here that takes a thread.
        start = partial(ensure_daemon, self._environ, deadline=end)
        try:
            with fail_after(end - time.monotonic()):
                await to_thread.run_sync(start, abandon_on_cancel=True)
        except TimeoutError:
            raise too_late() from None


def _served(response: Response) -> ServedCredentials:
    if response.status != 200:
        raise refusal(response.status, response.body)
    return parse_served(response.body)
