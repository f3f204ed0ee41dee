"""Sessions of aiobotocore; imported only where aiobotocore is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiobotocore.credentials import AioCredentialResolver, AioRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.credentials import CredentialProvider

from agentkeys.aws.cut_off import METHOD, SESSION_VARIABLES, cut_off, refreshable, with_endpoint
from agentkeys.aws.held import Held, as_metadata
from agentkeys.clock import Clock
from agentkeys.errors import AgentkeysError
from agentkeys.programs import AsyncClient
from agentkeys.served import ServedCredentials

__all__ = ["open_session"]


def open_session(
    profile: str | None, *, environ: Mapping[str, str] | None, clock: Clock
) -> AioSession:
    """See `agentkeys.aiobotocore_session`."""
    return _Session(_Source(AsyncClient(profile, environ=environ), clock))


class _Source:
    """Where one session's credentials come from."""

    def __init__(self, client: AsyncClient, clock: Clock) -> None:
        self.clock = clock
        self._client = client
        self._held = Held(clock=clock)

    async def served(self) -> ServedCredentials:
        """Credentials that are good now; the first ones decide on profile, user and place."""
        return self._held.resting() or await self._ask()

    async def refresh(self) -> dict[str, str]:
        return as_metadata(await self.served())

    async def _ask(self) -> ServedCredentials:
        try:
            served = self._held.take(await self._client.credentials(timeout=self._held.patience))
        except AgentkeysError as problem:
            return self._held.in_spite_of(problem)
        # The default profile may be another one tomorrow.
        self._client = self._client.for_profile(served.profile)
        return served


class _Session(AioSession):
    def __init__(self, source: _Source) -> None:
        super().__init__(session_vars=SESSION_VARIABLES)
        cut_off(self, AioCredentialResolver([_Provider(source)]))
        self._source = source

    def create_client(self, *arguments: Any, **options: Any) -> Any:
        def create(served: ServedCredentials) -> AbstractAsyncContextManager[Any]:
            self.set_config_variable("region", served.region)
            named = with_endpoint(served, arguments, options)
            return super(_Session, self).create_client(**named)

        return _Opening(self._source, create)


class _Opening:
    """A client to come, as `create_client` gives one: region and endpoint are asked for first."""

    def __init__(
        self,
        source: _Source,
        create: Callable[[ServedCredentials], AbstractAsyncContextManager[Any]],
    ) -> None:
        self._source = source
        self._create = create
        self._opened: AbstractAsyncContextManager[Any] | None = None

    async def __aenter__(self) -> Any:
        self._opened = self._create(await self._source.served())
        return await self._opened.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(*raised)


class _Provider(CredentialProvider):
    METHOD = CANONICAL_NAME = METHOD

    def __init__(self, source: _Source) -> None:
        super().__init__()
        self._source = source

    async def load(self) -> AioRefreshableCredentials:
        source = self._source
        first = await source.served()
        return refreshable(AioRefreshableCredentials, first, source.refresh, source.clock)
