"""Starts and stops the sandbox in a folder.

    folder/sandbox.json   the record, there while the sandbox runs
    folder/config.toml    the configuration with a profile for each made-up user
    folder/broker/        the broker's log and audit rows
    folder/store/         the store's log, configuration and data

The last two are thrown away by `stop_sandbox`, objects and all, and kept after a start that failed,
for the sake of their logs. Whatever else lies in the folder is left alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from agentkeys.errors import SandboxError
from agentkeys.private_files import private_folder, replace_file
from agentkeys.sandbox_record import (
    SandboxProcess,
    SandboxRecord,
    is_live,
    load_sandbox_record,
    record_path,
    save_sandbox_record,
)
from agentkeys_shell.sandbox.broker.ethereum import check_installed
from agentkeys_shell.sandbox.configuration import build_configuration, made_up_users
from agentkeys_shell.sandbox.dev_broker import start_broker, wait_for_broker
from agentkeys_shell.sandbox.iam import build_iam_document
from agentkeys_shell.sandbox.processes import Server, end_servers, find_server
from agentkeys_shell.sandbox.seaweedfs import find_weed, start_store

__all__ = ["config_path", "start_sandbox", "stop_sandbox"]

_LOCK_SECONDS = 150.0


def start_sandbox(
    folder: Path,
    *,
    users: int = 1,
    max_session: timedelta | None = None,
    progress: Callable[[str], None],
) -> SandboxRecord:
    """A sandbox in `folder` that answers, with at least `users` made-up users.

    One that runs is taken as it is (`max_session` counts at its start alone) and given more users
    if asked; one of which only a part runs is taken down and started anew. If the start fails or is
    interrupted, nothing is left running. `progress` is told, in a few words, what is being done.
    Raises SandboxError.
    """
    made_up_users(users)
    check_installed()
    find_weed()
    folder = folder.absolute()  # the servers work elsewhere
    private_folder(folder)
    with _one_at_a_time(folder):
        record = _live_record(folder)
        if record is None:
            return _start_anew(folder, users=users, max_session=max_session, progress=progress)
        progress("the sandbox is already running")
        return _with_users(folder, record, max(users, len(record.users)))


def stop_sandbox(folder: Path) -> bool:
    """Ends the sandbox in `folder` and throws its data away; False if there was none to end.

    Credentials that it gave out are of no use after this. Raises SandboxError when a process does
    not end, ten seconds after it was killed.
    """
    if not folder.is_dir():
        return False
    with _one_at_a_time(folder):
        there = any(find_server(part) for part in _parts(folder))
        _take_down(folder)
        _throw_away(folder)
        return there


def config_path(folder: Path) -> Path:
    """Where the sandbox in `folder` keeps its configuration."""
    return folder / "config.toml"


def _live_record(folder: Path) -> SandboxRecord | None:
    try:
        record = load_sandbox_record(folder)
    except SandboxError:
        # What runs is known from its own folder; a record that cannot be read is written anew.
        return None
    return record if record and is_live(record) else None


def _start_anew(
    folder: Path,
    *,
    users: int,
    max_session: timedelta | None,
    progress: Callable[[str], None],
) -> SandboxRecord:
    _take_down(folder)
    _throw_away(folder)
    try:
        return _bring_up(folder, users=users, max_session=max_session, progress=progress)
    except BaseException:
        _take_down(folder)
        raise


def _bring_up(
    folder: Path,
    *,
    users: int,
    max_session: timedelta | None,
    progress: Callable[[str], None],
) -> SandboxRecord:
    broker_folder, store_folder = _parts(folder)
    for part in (broker_folder, store_folder):
        part.mkdir(mode=0o700)
    progress("starting a broker")
    broker = start_broker(broker_folder)
    progress("starting a store")
    iam = build_iam_document(issuer=broker.url, max_session=max_session)
    store = start_store(store_folder, weed=find_weed(), iam=iam)
    wait_for_broker(broker)
    record = SandboxRecord(
        _process(broker.server, broker.url), _process(store.server, store.url), ()
    )
    return _with_users(folder, record, users)


def _process(server: Server, url: str) -> SandboxProcess:
    return SandboxProcess(server.pid, server.started, url)


def _with_users(folder: Path, record: SandboxRecord, count: int) -> SandboxRecord:
    """The record with `count` users, once that is what the files say."""
    users = made_up_users(count)
    if users == record.users:
        return record
    complete = SandboxRecord(record.broker, record.store, users)
    configuration = build_configuration(
        broker_url=record.broker.url, store_url=record.store.url, users=users
    )
    replace_file(config_path(folder), configuration)
    save_sandbox_record(folder, complete)
    return complete


def _take_down(folder: Path) -> None:
    """Nothing runs after this, and nobody is told that something does; logs and data stay."""
    record_path(folder).unlink(missing_ok=True)
    config_path(folder).unlink(missing_ok=True)
    end_servers(_parts(folder))


def _throw_away(folder: Path) -> None:
    for part in _parts(folder):
        if part.exists():
            shutil.rmtree(part)


def _parts(folder: Path) -> tuple[Path, Path]:
    return folder / "broker", folder / "store"


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock", timeout=_LOCK_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise SandboxError(
            f"the sandbox in {folder} is being started or stopped by another program",
            hint="wait for it to finish",
        ) from error
    try:
        yield
    finally:
        lock.release()
