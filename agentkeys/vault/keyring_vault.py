"""The vault that is the OS keyring, reached through a helper process.

A keyring may block for ever: on a prompt that nobody sees, on a stopped service, on a bus. What
blocks then is the helper, and a helper can be killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from agentkeys.errors import VaultError, VaultLocked, VaultUnavailable
from agentkeys.interpreter import own_module
from agentkeys.secret import Secret
from agentkeys.vault.helper_process import (
    Done,
    HelperBroken,
    HelperGone,
    HelperProcess,
    Refused,
)

__all__ = ["HELPER", "LIMIT", "KeyringMissing", "KeyringVault"]

T = TypeVar("T")

HELPER = tuple(own_module("agentkeys.vault.helper"))
LIMIT = timedelta(seconds=2)
_OR_MEMORY = "or set AGENTKEYS_VAULT=memory to do without"


class KeyringMissing(VaultUnavailable):
    """No keyring that we trust works on this machine."""


class KeyringVault:
    """Keeps blobs in the first trusted keyring that this machine has.

    One call runs at a time. A helper that takes longer than `limit` to get ready or to answer,
    dies or talks nonsense is killed, and the next call starts another; calls that queued behind
    one that timed out get its error at once. A call whose caller is cancelled runs to its end.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        command: Sequence[str] = HELPER,
        limit: timedelta = LIMIT,
    ) -> None:
        """`command` starts the helper, `environment` is the whole of what it inherits."""
        self._environment = environment
        self._command = command
        self._limit = limit
        self._kind: str | None = None
        self._helper: HelperProcess | None = None
        self._turn = asyncio.Lock()
        self._timeouts = 0
        self._calls: set[asyncio.Task[Done | Refused]] = set()

    @property
    def kind(self) -> str:
        return self._kind or "keyring"

    async def load(self, account: str) -> Secret | None:
        return (await self._ask("load", account)).blob

    async def save(self, account: str, blob: Secret) -> None:
        await self._ask("save", account, blob)

    async def delete(self, account: str) -> None:
        await self._ask("delete", account)

    async def aclose(self) -> None:
        """Ends the helper, after the calls that are under way."""
        async with self._turn:
            await self._end_helper()

    async def _ask(self, verb: str, account: str, blob: Secret | None = None) -> Done:
        # Shielded: its answer must not stay in the pipe when whoever asked has gone away.
        call = asyncio.create_task(self._take_turn(verb, account, blob))
        self._calls.add(call)  # or else the event loop could forget it half-way
        call.add_done_callback(self._calls.discard)
        answer = await asyncio.shield(call)
        if isinstance(answer, Refused):
            raise self._refusal(answer)
        self._kind = answer.kind
        return answer

    async def _take_turn(self, verb: str, account: str, blob: Secret | None) -> Done | Refused:
        timeouts = self._timeouts
        async with self._turn:
            if self._timeouts != timeouts:
                raise self._too_slow()
            try:
                return await self._exchange(verb, account, blob)
            except TimeoutError as error:
                self._timeouts += 1
                await self._end_helper()
                raise self._too_slow() from error
            except HelperBroken as error:
                await self._end_helper()
                raise _broken(error) from error
            except asyncio.CancelledError:  # the event loop is closing
                await self._end_helper()
                raise

    async def _exchange(self, verb: str, account: str, blob: Secret | None) -> Done | Refused:
        if self._helper is not None:
            try:
                return await self._ask_helper(self._helper, verb, account, blob)
            except HelperGone:
                # It may have died long ago, and whatever was asked can be asked again.
                await self._end_helper()
        self._helper = await HelperProcess.start(self._command, self._environment)
        await self._within_limit(self._helper.wait_until_ready())
        return await self._ask_helper(self._helper, verb, account, blob)

    async def _ask_helper(
        self, helper: HelperProcess, verb: str, account: str, blob: Secret | None
    ) -> Done | Refused:
        # Once a keyring has answered it has to be that one: what it holds is not absent because
        # another, found by a later helper, has never seen it.
        return await self._within_limit(helper.ask(verb, account, blob, kind=self._kind))

    async def _within_limit(self, step: Coroutine[None, None, T]) -> T:
        async with asyncio.timeout(self._limit.total_seconds()):
            return await step

    async def _end_helper(self) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            await helper.end()

    def _too_slow(self) -> VaultUnavailable:
        return VaultUnavailable(
            f"the OS keyring did not answer within {self._limit.total_seconds():g} s",
            hint=f"answer its prompt or restart its service, {_OR_MEMORY}",
        )

    def _refusal(self, answer: Refused) -> VaultError:
        match answer.reason:
            case "missing":
                return KeyringMissing("no OS keyring answers here", hint=f"start one, {_OR_MEMORY}")
            case "locked":
                return VaultLocked("the OS keyring is locked", hint=f"unlock it, {_OR_MEMORY}")
            case "homeless":
                return VaultUnavailable(
                    "the OS keyring has no default collection to save to",
                    hint=f"create one in its own program, such as seahorse, {_OR_MEMORY}",
                )
        return VaultUnavailable(
            f"the OS keyring failed: {answer.because}", hint=f"agentkeys doctor, {_OR_MEMORY}"
        )


def _broken(error: HelperBroken) -> VaultUnavailable:
    return VaultUnavailable(f"the keyring helper failed: {error}", hint=f"try again, {_OR_MEMORY}")
