"""Where the head of the chain is kept, so that a ledger that was cut off is found out.

In the vault, out of reach of whoever can change the ledger's files alone; where there is none, in a
file beside them, which proves less.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Protocol

from agentkeys.audit.chain import Link, parse_link
from agentkeys.errors import AuditError
from agentkeys.private_files import opened_plainly, private_folder, replace_file
from agentkeys.secret import Secret

__all__ = ["FileHeadKeeper", "HeadKeeper", "HeadVault", "VaultHeadKeeper", "head_account"]


_LARGEST_HEAD = 1 << 12
"""Bytes; one of ours has a hundred."""


class HeadKeeper(Protocol):
    """Keeps one link."""

    @property
    def kind(self) -> str:
        """memory for a file beside the ledger, else the vault's."""
        ...

    async def load(self) -> Link | None:
        """What was saved last, None where nothing was; raises VaultError, AuditError."""
        ...

    async def save(self, head: Link) -> None:
        """Raises VaultError, AuditError."""
        ...


class HeadVault(Protocol):
    """What is needed of a vault; its calls raise VaultError."""

    @property
    def kind(self) -> str: ...

    async def load(self, account: str) -> Secret | None: ...

    async def save(self, account: str, blob: Secret) -> None: ...


def head_account(state: Path) -> str:
    """The vault's account of the ledger in the folder `state`.

    No identity has a name with a colon in it.
    """
    return f"ledger:head@{hashlib.sha256(bytes(state)).hexdigest()[:8]}"


class VaultHeadKeeper:
    """In the vault where that keeps things, else with `beside`."""

    def __init__(self, *, vault: HeadVault, account: str, beside: HeadKeeper) -> None:
        self._vault = vault
        self._account = account
        self._beside = beside

    @property
    def kind(self) -> str:
        return self._vault.kind

    async def load(self) -> Link | None:
        blob = None if self._forgets else await self._vault.load(self._account)
        # It may have turned out just now that there is no keyring.
        if self._forgets:
            return await self._beside.load()
        return None if blob is None else _decode(blob.reveal(), "the vault")

    async def save(self, head: Link) -> None:
        if not self._forgets:
            await self._vault.save(self._account, Secret(_encode(head)))
        if self._forgets:
            await self._beside.save(head)

    @property
    def _forgets(self) -> bool:
        return self._vault.kind == "memory"


class FileHeadKeeper:
    """In a file of mode 0600."""

    kind = "memory"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> Link | None:
        try:
            text = await asyncio.to_thread(self._read)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise _unreadable(str(self._path)) from problem
        return _decode(text, str(self._path))

    async def save(self, head: Link) -> None:
        await asyncio.to_thread(self._write, _encode(head))

    def _read(self) -> str:
        with opened_plainly(self._path) as file:
            return file.read(_LARGEST_HEAD).decode()

    def _write(self, text: str) -> None:
        try:
            private_folder(self._path.parent)
            replace_file(self._path, text)
        except OSError as problem:
            raise AuditError(
                f"the head of the ledger cannot be written to {self._path}: {problem.strerror}",
                hint="make room on the disk, or make the folder writable",
            ) from problem


def _encode(head: Link) -> str:
    return json.dumps({"version": 1, "seq": head.seq, "chain": head.chain})


def _decode(text: str, where: str) -> Link:
    try:
        document = json.loads(text)
        return parse_link(document["seq"], document["chain"])
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        raise _unreadable(where) from problem


def _unreadable(where: str) -> AuditError:
    return AuditError(
        f"the head of the ledger in {where} cannot be read", hint="run: agentkeys audit verify"
    )
