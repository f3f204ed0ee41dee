"""The vault that is the OS keyring, reached through a helper process.

A keyring may block for ever: on a prompt that nobody sees, on a stopped service, on a bus. What
blocks then is the helper, and a helper can be killed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from agentkeys.errors import VaultError
from agentkeys.interpreter import own_module
from agentkeys.secret import Secret
from agentkeys.vault.helper_process import (
    Done,
    HelperBroken,
    HelperGone,
    HelperProcess,
    Refused,
)
from agentkeys.vault.telling import NOT_YET, broken, refusal, too_slow

__all__ = ["HELPER", "LIMIT", "KeyringVault"]

log = logging.getLogger("agentkeys.vault")

HELPER = tuple(own_module("agentkeys.vault.helper"))
LIMIT = timedelta(seconds=2)


class KeyringVault:
    """Keeps blobs in the first trusted keyring that this machine has.

    One call runs at a time. A helper that takes longer than `limit` to get ready, to answer, or
    for one step of a long answer, dies or talks nonsense is killed, and the next call starts
    another; calls that queued behind one that timed out get its error at once. A call whose
    caller is cancelled runs to its end.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        command: Sequence[str] = HELPER,
        limit: timedelta = LIMIT,
    ) -> None:
        """`command` starts the helper, `environment` is the whole of what it inherits."""
        self.trouble: VaultError | None = NOT_YET
        """What keeps the keyring from its work, as far as the last call has shown."""
        self._environment = environment
        self._command = command
        self._limit = limit
        self._kind: str | None = None
        self._helper: HelperProcess | None = None
        self._turn = asyncio.Lock()
        self._timeouts = 0
        self._calls: set[asyncio.Task[Secret | None]] = set()

    @property
    def kind(self) -> str:
        return self._kind or "keyring"

    @property
    def has_answered(self) -> bool:
        """Whether a keyring is known to be here, be it a locked one."""
        return self._kind is not None

    async def load(self, account: str) -> Secret | None:
        return await self._ask("load", account)

    async def save(self, account: str, blob: Secret) -> None:
        await self._ask("save", account, blob)

    async def delete(self, account: str) -> None:
        await self._ask("delete", account)

    async def aclose(self) -> None:
        """Ends the helper, after the calls that are under way."""
        async with self._turn:
            await self._end_helper()

    async def _ask(self, verb: str, account: str, blob: Secret | None = None) -> Secret | None:
        # Shielded: its answer must not stay in the pipe when whoever asked has gone away.
        call = asyncio.create_task(self._call(verb, account, blob))
        self._calls.add(call)  # or else the event loop could forget it half-way
        call.add_done_callback(self._calls.discard)
        return await asyncio.shield(call)

    async def _call(self, verb: str, account: str, blob: Secret | None) -> Secret | None:
        began = time.monotonic()
        try:
            answer = await self._take_turn(verb, account, blob)
        except VaultError as problem:
            self.trouble = problem
            log.debug("keyring: %s: %s", verb, problem.code)
            raise
        outcome = "done" if isinstance(answer, Done) else answer.reason
        log.debug("keyring: %s: %s in %.0f ms", verb, outcome, 1000 * (time.monotonic() - began))
        self._kind = answer.kind or self._kind
        if isinstance(answer, Done):
            self.trouble = None
            return answer.blob
        self.trouble = refusal(answer)
        if answer.reason == "homeless" and verb != "save":
            return None  # without a collection nothing can be kept, nor be left to delete
        raise self.trouble

    async def _take_turn(self, verb: str, account: str, blob: Secret | None) -> Done | Refused:
        timeouts = self._timeouts
        async with self._turn:
            if self._timeouts != timeouts:
                raise too_slow(self._limit)
            try:
                return await self._exchange(verb, account, blob)
            except TimeoutError as error:
                self._timeouts += 1
                await self._end_helper()
                raise too_slow(self._limit) from error
            except HelperBroken as error:
                await self._end_helper()
                raise broken(error) from error
            except asyncio.CancelledError:  # the event loop is closing
                await self._end_helper()
                raise

    async def _exchange(self, verb: str, account: str, blob: Secret | None) -> Done | Refused:
        # Once a keyring has answered it has to be that one: what it holds is not absent because
        # another, found by a later helper, has never seen it.
        if self._helper is not None:
            try:
                return await self._helper.ask(verb, account, blob, kind=self._kind)
            except HelperGone:
                # It may have died long ago, and whatever was asked can be asked again.
                await self._end_helper()
        self._helper = await HelperProcess.start(self._command, self._environment, self._limit)
        await self._helper.wait_until_ready()
        return await self._helper.ask(verb, account, blob, kind=self._kind)

    async def _end_helper(self) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            await helper.end()
