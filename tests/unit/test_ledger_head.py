"""The head of the ledger's chain: compared at a start, kept behind every record, never set back."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agentkeys.audit import (
    AuditRecord,
    FileHeadKeeper,
    FileLedger,
    Link,
    VaultHeadKeeper,
    head_account,
)
from agentkeys.errors import AuditError, VaultLocked
from agentkeys.secret import Secret
from agentkeys.vault.memory import MemoryVault
from agentkeys_daemon.ledger.disk_sync import DiskSync
from agentkeys_daemon.ledger.head import LedgerHead
from tests.fakes.vault import FragileVault
from tests.support.chains import ledger_lines
from tests.support.moved_clock import MovedClock

ACCOUNT = "ledger:head@12345678"
LOCKED = VaultLocked("the keyring is locked", hint="unlock it")
SERVE = AuditRecord(event="serve")


class Place:
    """A ledger on disk, and a vault that its head is kept in."""

    def __init__(self, folder: Path, *, pause_seconds: float = 0.01) -> None:
        self.path = folder / "audit" / "ledger.jsonl"
        self.vault = FragileVault()
        self.syncs = 0
        self._pause = pause_seconds
        self.start()

    def start(self) -> None:
        """What a daemon does; another one's ledger and head come out of it."""
        self.ledger = FileLedger(path=self.path, clock=MovedClock())
        self.ledger.mend()
        self.head = LedgerHead(
            ledger=self.ledger,
            keeper=VaultHeadKeeper(
                vault=self.vault,
                account=ACCOUNT,
                beside=FileHeadKeeper(self.path.with_name("head.json")),
            ),
            settle=DiskSync(self._sync).settle,
            pause_seconds=self._pause,
        )

    def append(self, *, at_once: bool = False) -> None:
        self.ledger.append(SERVE)
        self.head.appended(at_once)

    async def kept(self) -> Link | None:
        blob = await MemoryVault.load(self.vault, ACCOUNT)
        return None if blob is None else _link(blob)

    def _sync(self) -> None:
        self.syncs += 1
        self.ledger.sync()


def _link(blob: Secret) -> Link:
    document = json.loads(blob.reveal())
    assert document.keys() == {"version", "seq", "chain"}
    return Link(document["seq"], document["chain"])


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(whole())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """`play` bounds how long."""
    while not await condition():  # noqa: ASYNC110 - a keyring has no event
        await asyncio.sleep(0.002)


def cut(path: Path, lines: int) -> None:
    """What somebody does who has something to hide."""
    kept = path.read_bytes().splitlines(keepends=True)[:lines]
    path.write_bytes(b"".join(kept))


def test_the_head_follows_the_ledger(tmp_path: Path) -> None:
    """In the background, brought to the disk first."""

    async def story() -> None:
        place = Place(tmp_path)
        await place.head.begin()
        assert await place.kept() is None
        saving = asyncio.create_task(place.head.run())
        for at_once in (False, True, False):
            place.append(at_once=at_once)
            await until(lambda: _is(place.kept(), place.ledger.link))
            assert place.head.kept == place.ledger.link
        assert place.syncs >= 3
        saving.cancel()

    play(story)


async def _is(found: Awaitable[Link | None], wanted: Link | None) -> bool:
    return await found == wanted


def test_what_is_worth_it_is_kept_at_once(tmp_path: Path) -> None:
    """The rest waits for its time, or for the end."""

    async def story() -> None:
        place = Place(tmp_path, pause_seconds=3600)
        await place.head.begin()
        saving = asyncio.create_task(place.head.run())
        await asyncio.sleep(0)
        place.append(at_once=True)
        await until(lambda: _is(place.kept(), place.ledger.link))
        place.append()
        for _ in range(20):
            await asyncio.sleep(0)
        kept = await place.kept()
        assert kept is not None
        assert kept.seq == 1
        saving.cancel()
        await place.head.aclose()
        assert await place.kept() == place.ledger.link

    play(story)


def test_a_start_finds_out_that_records_were_cut_off(tmp_path: Path) -> None:
    """The chain goes on from the head, and every later start is content again."""

    async def story() -> None:
        place = Place(tmp_path)
        for _ in range(5):
            place.append()
        await place.head.begin()
        cut(place.path, 2)
        place.start()
        await place.head.begin()
        gap = place.ledger.gap
        assert gap is not None
        assert gap.message == "the ledger ended at record 2, its head is at 5: records are missing"
        recovered = ledger_lines(place.path)[-1]
        assert (recovered["seq"], recovered["outcome_detail"]) == (6, gap.message)
        place.start()
        await place.head.begin()
        assert place.ledger.gap is None
        assert len(ledger_lines(place.path)) == 3

    play(story)


def test_a_ledger_that_is_gone_altogether_is_found_out(tmp_path: Path) -> None:
    """With its folder."""

    async def story() -> None:
        place = Place(tmp_path)
        place.append()
        await place.head.begin()
        place.path.unlink()
        place.start()
        await place.head.begin()
        [line] = ledger_lines(place.path)
        assert line["seq"] == 2
        assert line["outcome_detail"].startswith("the ledger ended at record 0, its head is at 1")

    play(story)


def test_a_locked_keyring_is_asked_again(tmp_path: Path) -> None:
    """Nothing is saved until what is kept is known; what was cut off is found out then."""

    async def story() -> None:
        place = Place(tmp_path)
        for _ in range(5):
            place.append()
        await place.head.begin()
        kept = await place.kept()
        cut(place.path, 1)
        place.vault.problem = LOCKED
        place.start()
        await place.head.begin()
        assert isinstance(place.head.trouble, VaultLocked)
        place.append()
        saves = place.vault.saves
        saving = asyncio.create_task(place.head.run())
        await until(lambda: _is_more(place.vault, saves=saves))
        assert await place.kept() == kept
        assert len(ledger_lines(place.path)) == 2
        place.vault.problem = None
        place.append(at_once=True)
        await until(lambda: _is(place.kept(), place.ledger.link))
        assert place.ledger.gap
        assert [line["seq"] for line in ledger_lines(place.path)] == [1, 2, 3, 6]
        saving.cancel()

    play(story)


async def _is_more(vault: FragileVault, *, saves: int) -> bool:
    """Whether it was asked again, and only to read."""
    assert vault.saves == saves
    return vault.loads > 4


def test_a_keyring_that_hangs_does_not_hold_up_a_start(tmp_path: Path) -> None:
    """It is heard when it answers."""

    async def story() -> None:
        place = Place(tmp_path)
        place.append()
        place.vault.open.clear()
        async with asyncio.timeout(5):
            await place.head.begin()
        place.vault.open.set()
        saving = asyncio.create_task(place.head.run())
        await until(lambda: _is(place.kept(), place.ledger.link))
        saving.cancel()

    play(story)


def test_a_head_is_never_set_back(tmp_path: Path) -> None:
    """Another daemon on the same ledger may be ahead of us."""

    async def story() -> None:
        place = Place(tmp_path)
        place.append()
        behind = place.head
        await behind.begin()
        place.start()
        for _ in range(3):
            place.append()
        await place.head.begin()
        behind.appended(True)
        await behind.save()
        kept = await place.kept()
        assert kept is not None
        assert kept.seq == 4

    play(story)


@pytest.mark.parametrize("blob", ["", "{}", "[1]", '{"seq": -1, "chain": ""}', "\0"])
def test_a_head_that_nobody_can_read_is_told_of(tmp_path: Path, blob: str) -> None:
    """Once, in the ledger; then there is a new one."""

    async def story() -> None:
        place = Place(tmp_path)
        place.append()
        await place.vault.save(ACCOUNT, Secret(blob))
        place.start()
        await place.head.begin()
        line = ledger_lines(place.path)[-1]
        assert (line["event"], line["outcome"]) == ("recovered", "error")
        assert line["outcome_detail"] == "the head of the ledger in the vault cannot be read"
        assert await place.kept() == place.ledger.link

    play(story)


def test_a_disk_that_fails_keeps_the_head_where_it_is(tmp_path: Path) -> None:
    """It must never be ahead of what is on the disk."""

    async def story() -> None:
        place = Place(tmp_path)

        async def failing() -> None:
            raise AuditError("the disk is broken")

        head = LedgerHead(
            ledger=place.ledger,
            keeper=VaultHeadKeeper(
                vault=place.vault, account=ACCOUNT, beside=FileHeadKeeper(tmp_path / "head.json")
            ),
            settle=failing,
        )
        place.append()
        await head.begin()
        assert await place.kept() is None
        assert head.trouble is not None

    play(story)


def test_without_a_keyring_it_is_kept_beside_the_ledger(tmp_path: Path) -> None:
    """In a file that is its owner's alone."""

    async def story() -> None:
        path = tmp_path / "audit" / "head.json"
        vault = MemoryVault()
        keeper = VaultHeadKeeper(vault=vault, account=ACCOUNT, beside=FileHeadKeeper(path))
        assert keeper.kind == "memory"
        assert await keeper.load() is None
        head = Link(7, "b" * 64)
        await keeper.save(head)
        assert await keeper.load() == head
        assert vault.blobs == {}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.write_bytes(b"\xff")
        with pytest.raises(AuditError, match="cannot be read"):
            await keeper.load()
        path.unlink()
        path.mkdir()
        with pytest.raises(AuditError, match="cannot be written"):
            await keeper.save(head)

    play(story)


def descriptors() -> int:
    """How many this process holds."""
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_beside_the_ledger_holds_nobody_up(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """It is no head, and is looked at without being waited for, or followed."""

    async def story() -> None:
        path = tmp_path / "head.json"
        make(path)
        before = descriptors()
        with pytest.raises(AuditError, match="cannot be read"):
            await FileHeadKeeper(path).load()
        assert descriptors() == before

    play(story)


def test_no_identity_has_its_account(tmp_path: Path) -> None:
    """Names of identities have no colon; those of sandboxes begin with another word."""
    account = head_account(tmp_path)
    assert account.startswith("ledger:head@")
    assert account != head_account(tmp_path / "other")


# The disk.


def test_those_who_wait_for_the_disk_share_it(tmp_path: Path) -> None:
    """One sync that begins after the last of them has written is enough for all."""

    async def story() -> None:
        begun, calls = threading.Event(), 0

        def slow() -> None:
            nonlocal calls
            calls += 1
            assert begun.wait(10)

        disk = DiskSync(slow)
        first = asyncio.create_task(disk.settle())
        while not calls:  # noqa: ASYNC110 - it is called in a thread
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(disk.settle()) for _ in range(500)]
        await asyncio.sleep(0.01)
        assert not first.done()
        begun.set()
        await asyncio.gather(first, *others)
        assert calls == 2

    play(story)


def test_a_disk_that_hangs_is_waited_for_only_so_long() -> None:
    """The loop goes on meanwhile; who comes later waits for the next."""

    async def story() -> None:
        let_go = threading.Event()
        disk = DiskSync(lambda: assert_waits(let_go), limit_seconds=0.05)
        with pytest.raises(AuditError, match="has not taken"):
            await disk.settle()
        with pytest.raises(AuditError, match="has not taken"):
            await disk.settle()
        let_go.set()
        await disk.settle()

    play(story)


def assert_waits(event: threading.Event) -> None:
    assert event.wait(10)


def test_a_disk_that_fails_is_told_to_all_who_wait() -> None:
    """And asked again by the next."""

    async def story() -> None:
        problems = [AuditError("broken"), None]

        def sync() -> None:
            if problem := problems.pop(0):
                raise problem

        disk = DiskSync(sync)
        found = await asyncio.gather(disk.settle(), disk.settle(), return_exceptions=True)
        assert [str(each) for each in found] == ["broken", "broken"]
        await disk.settle()

    play(story)
