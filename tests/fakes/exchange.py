"""An STS in memory, whose delays and failures a test decides."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta

from agentkeys.clock import Clock
from agentkeys.errors import StsError
from agentkeys.models import AssumedRole, TemporaryCredentials
from agentkeys.secret import Secret
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest

__all__ = ["FakeExchange"]


class FakeExchange:
    """Gives credentials for as long as asked, or `longest` where that is less.

    `problems` are raised first, one for each call. While `open` is not set, calls wait. Its own
    clock is `ahead` of ours, and its answers tell that it is `told_ahead`.
    """

    def __init__(self, *, clock: Clock, longest: timedelta = timedelta.max) -> None:
        self.requests: list[AssumeRoleRequest] = []
        self.audiences: list[Audiences | None] = []
        self.problems: deque[StsError] = deque()
        self.longest = longest
        self.open = asyncio.Event()
        self.open.set()
        self.ahead = timedelta(0)
        self.told_ahead: timedelta | None = None
        self._clock = clock
        self._arrivals = asyncio.Condition()

    @property
    def calls(self) -> int:
        return len(self.requests)

    async def called(self, times: int = 1) -> None:
        """Returns when that many calls have arrived, all in all."""
        async with asyncio.timeout(10), self._arrivals:
            await self._arrivals.wait_for(lambda: self.calls >= times)

    async def assume_role_with_web_identity(
        self, request: AssumeRoleRequest, *, audiences: Audiences | None = None
    ) -> AssumedRole:
        self.requests.append(request)
        self.audiences.append(audiences)
        number = self.calls
        async with self._arrivals:
            self._arrivals.notify_all()
        await self.open.wait()
        if self.problems:
            raise self.problems.popleft()
        lifetime = min(request.duration or timedelta(hours=1), self.longest)
        return AssumedRole(
            credentials=TemporaryCredentials(
                access_key_id=f"ASIA{number:016d}",
                secret_access_key=Secret(f"secret-{number}"),
                session_token=Secret(f"session-{number}"),
                expires_at=self._clock.now() + self.ahead + lifetime,
            ),
            request_id=f"request-{number}",
            subject=None,
            packed_policy_percent=None,
            skew=self.told_ahead,
        )
