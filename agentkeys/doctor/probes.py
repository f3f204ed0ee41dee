"""The doctor's own requests: short, bounded, and told whatever comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.errors import ConfigError
from agentkeys.transport import Answer, Transport, TransportError

__all__ = ["CONNECT_SECONDS", "TOTAL_SECONDS", "Page", "Probes"]

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Page:
    """What came of one request: an answer, or why there was none."""

    url: str
    answer: Answer | None = None
    problem: TransportError | ConfigError | None = None

    @property
    def status(self) -> int | None:
        return self.answer.status if self.answer else None

    def json_object(self) -> Mapping[str, Any] | None:
        """The body where it is a JSON object, None for anything else."""
        try:
            found = json.loads(self.answer.body) if self.answer else None
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class Probes:
    """Sends them; what fails is told in the page and never raised."""

    def __init__(self, *, transport: Transport) -> None:
        self._transport = transport

    async def get(self, url: str, *, headers: Mapping[str, str] = {}) -> Page:
        return await self._send("GET", url, headers=headers)

    async def post(self, url: str, form: Mapping[str, str]) -> Page:
        return await self._send("POST", url, form=form)

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = {},
        form: Mapping[str, str] | None = None,
    ) -> Page:
        try:
            answer = await self._transport.send(
                method,
                url,
                headers=headers,
                form=form,
                timeout=TOTAL_SECONDS,
                connect_timeout=CONNECT_SECONDS,
            )
        except (TransportError, ConfigError) as problem:
            return Page(url, problem=problem)
        return Page(url, answer)
