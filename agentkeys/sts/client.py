"""The call itself: unsigned, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from agentkeys.clock import Clock
from agentkeys.errors import ConfigError, StsUnreachable
from agentkeys.models import AssumedRole
from agentkeys.stores import StoreKind
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest, check_request, form
from agentkeys.transport import Transport, TransportError

__all__ = ["StsClient"]


class StsClient:
    """Trades web identity tokens for temporary credentials at one STS.

    It keeps nothing and never asks twice: caching and retries belong to the leases.
    """

    def __init__(
        self, *, transport: Transport, clock: Clock, store: StoreKind, endpoint: str
    ) -> None:
        """Raises ConfigError when `endpoint` has a query, which some stores would act upon."""
        parts = urlsplit(endpoint)
        if parts.query or parts.fragment:
            raise ConfigError(
                f"the STS endpoint on {parts.hostname} has a query",
                hint="end sts_endpoint before the question mark",
            )
        self._transport = transport
        self._clock = clock
        self._store = store
        self._endpoint = endpoint

    async def assume_role_with_web_identity(
        self,
        request: AssumeRoleRequest,
        *,
        timeout: float = 15.0,  # noqa: ASYNC109 - the transport keeps it, and its message tells it
        audiences: Audiences | None = None,
    ) -> AssumedRole:
        """One HTTP call, at most `timeout` seconds; `audiences` only makes hints better.

        Raises ConfigError for a request that this kind of store cannot serve, StsUnreachable
        without an answer, and what `parse_answer` raises.
        """
        check_request(request, self._store)
        try:
            answer = await self._transport.send(
                "POST", self._endpoint, form=form(request), timeout=timeout
            )
        except TransportError as problem:
            raise StsUnreachable(
                f"STS gave no answer: {problem.message}", hint=problem.hint
            ) from problem
        # What has expired by our clock is good if it is so by the store's own.
        behind = min(answer.skew or timedelta(0), timedelta(0))
        role = parse_answer(
            answer.status,
            answer.headers,
            answer.body,
            store=self._store,
            request=request,
            now=self._clock.now() + behind,
            audiences=audiences,
        )
        return replace(role, skew=answer.skew)
