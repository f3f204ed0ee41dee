"""A real sandbox: its processes come and go together, and its store confines every user."""

from __future__ import annotations

import os
import signal
import stat
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from agentkeys.errors import ConfigError
from agentkeys.sandbox_record import (
    SandboxProcess,
    SandboxRecord,
    is_live,
    load_sandbox_record,
    record_path,
)
from agentkeys_shell.sandbox.iam import BUCKET, ROLE_ARN
from agentkeys_shell.sandbox.lifecycle import config_path, start_sandbox, stop_sandbox
from agentkeys_shell.sandbox.processes import Server, find_server, wait_until
from tests.support.dev_broker import BrokerClient
from tests.support.sandbox import running_sandbox


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def pipe() -> Iterator[str]:
    """What a link in /proc calls a pipe of ours that any program we start would get."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    yield f"pipe:[{os.fstat(writer).st_ino}]"
    os.close(reader)
    os.close(writer)


@pytest.fixture(scope="module")
def sandbox(folder: Path, pipe: str) -> Iterator[SandboxRecord]:
    """One for all tests that do it no harm, started by a caller with keys and open files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "admin")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "password")
        with running_sandbox(folder) as record:
            patch.undo()
            yield record


def start(folder: Path, *, users: int = 1) -> SandboxRecord:
    return start_sandbox(folder, users=users, progress=lambda words: None)


def runs(process: SandboxProcess) -> bool:
    return process.process.is_alive


def assume_role(record: SandboxRecord, email: str) -> tuple[str, dict[str, Any]]:
    """Logs somebody in; gives their prefix and their temporary credentials."""
    with BrokerClient(record.broker.url) as broker:
        minted = broker.mint(broker.managed_login(email)["session_jwt"])
    sts = boto3.client(
        "sts",
        endpoint_url=record.store.url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    answer = sts.assume_role_with_web_identity(
        RoleArn=ROLE_ARN, RoleSessionName="test", WebIdentityToken=minted["jwt"]
    )
    sts.close()
    return f"bots/{minted['wallet']}/", dict(answer["Credentials"])


def s3_client(record: SandboxRecord, credentials: dict[str, Any]) -> BaseClient:
    return boto3.client(
        "s3",
        endpoint_url=record.store.url,
        region_name="us-east-1",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


# what a started sandbox is


def test_it_is_live_and_on_record(folder: Path, sandbox: SandboxRecord) -> None:
    """What `start_sandbox` answers is what others read, and both processes run."""
    assert load_sandbox_record(folder) == sandbox
    assert is_live(sandbox)


def test_everything_in_it_is_private(folder: Path, sandbox: SandboxRecord) -> None:
    """No file, folder or socket of it is open to anybody else."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*"):
        if not path.is_symlink():
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_its_configuration_leads_to_it(folder: Path, sandbox: SandboxRecord) -> None:
    """Profiles for each user, with the addresses that this start has drawn."""
    configuration = tomllib.loads(config_path(folder).read_text(encoding="utf-8"))
    assert list(configuration["profiles"]) == [user.profile for user in sandbox.users]
    for user in sandbox.users:
        identity = configuration["identities"][user.profile]
        assert identity == {"source": "sandbox", "url": sandbox.broker.url, "email": user.email}
    store = configuration["stores"]["sandbox"]
    assert store["sts_endpoint"] == store["s3_endpoint"] == sandbox.store.url


def test_its_processes_have_sessions_of_their_own(sandbox: SandboxRecord) -> None:
    """A signal to our terminal does not reach them."""
    for process in (sandbox.broker, sandbox.store):
        assert os.getsid(process.pid) == process.pid == os.getpgid(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_its_processes_hold_nothing_of_ours(
    folder: Path, sandbox: SandboxRecord, pipe: str
) -> None:
    """They sit in the sandbox's folder, and no open file of the caller's lives on in them."""
    for process in (sandbox.broker, sandbox.store):
        here = Path("/proc") / str(process.pid)
        assert folder in (here / "cwd").readlink().parents
        assert pipe not in {str(link.readlink()) for link in (here / "fd").iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_its_processes_get_no_key_from_the_environment(sandbox: SandboxRecord) -> None:
    """AWS variables of the caller would give the store a user without any bounds."""
    for process in (sandbox.broker, sandbox.store):
        assert b"AWS_" not in Path(f"/proc/{process.pid}/environ").read_bytes()


# what its users can do


def test_a_user_has_the_run_of_their_prefix(tmp_path: Path, sandbox: SandboxRecord) -> None:
    """Put, list, get, copy, delete, and an upload in parts, from the very first moment."""
    prefix, credentials = assume_role(sandbox, sandbox.users[0].email)
    s3: Any = s3_client(sandbox, credentials)
    big = tmp_path / "big"
    big.write_bytes(b"0123456789" * 1_000_000)
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}a", Body=b"hello")
    s3.upload_file(str(big), BUCKET, f"{prefix}big")
    source = {"Bucket": BUCKET, "Key": f"{prefix}a"}
    s3.copy_object(Bucket=BUCKET, Key=f"{prefix}b", CopySource=source)
    s3.delete_object(Bucket=BUCKET, Key=f"{prefix}a")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert [entry["Key"] for entry in listed] == [f"{prefix}b", f"{prefix}big"]
    assert s3.get_object(Bucket=BUCKET, Key=f"{prefix}b")["Body"].read() == b"hello"
    s3.get_bucket_location(Bucket=BUCKET)
    s3.close()


def test_a_user_is_denied_everything_else(sandbox: SandboxRecord) -> None:
    """Another user's objects, a listing of them, and a listing of everything."""
    alice, bob = (assume_role(sandbox, user.email) for user in sandbox.users)
    theirs, own = bob[0], alice[0]
    owner: Any = s3_client(sandbox, bob[1])
    owner.put_object(Bucket=BUCKET, Key=f"{theirs}secret", Body=b"bob's")
    s3: Any = s3_client(sandbox, alice[1])
    secret = {"Bucket": BUCKET, "Key": f"{theirs}secret"}
    attempts: tuple[Callable[[], object], ...] = (
        lambda: s3.get_object(**secret),
        lambda: s3.put_object(**secret, Body=b""),
        lambda: s3.delete_object(**secret),
        lambda: s3.copy_object(Bucket=BUCKET, Key=f"{own}stolen", CopySource=secret),
        lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=theirs),
        lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix="bots/"),
        lambda: s3.list_objects_v2(Bucket=BUCKET),
        lambda: s3.create_bucket(Bucket="another"),
    )
    for attempt in attempts:
        with pytest.raises(ClientError) as caught:
            attempt()
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
    s3.close()
    owner.close()


def test_sessions_can_be_kept_short(tmp_path: Path) -> None:
    """Six seconds, for whoever wants to see credentials expire."""
    with running_sandbox(tmp_path, max_session=timedelta(seconds=6)) as record:
        _, credentials = assume_role(record, record.users[0].email)
        assert credentials["Expiration"] <= datetime.now(UTC) + timedelta(seconds=6)


# starting again


def test_a_second_start_takes_what_runs(folder: Path, sandbox: SandboxRecord) -> None:
    """Nothing is started twice, and fewer users than there are change nothing."""
    assert start(folder, users=1) == sandbox


def test_a_second_start_can_add_users(tmp_path: Path) -> None:
    """The processes stay; record and configuration know the new ones."""
    with running_sandbox(tmp_path, users=1) as first:
        second = start(tmp_path, users=3)
        assert (second.broker, second.store) == (first.broker, first.store)
        assert [user.name for user in second.users] == ["alice", "bob", "carol"]
        assert load_sandbox_record(tmp_path) == second
        assert "[profiles.sandbox-carol]" in config_path(tmp_path).read_text(encoding="utf-8")


def test_starts_at_once_make_one_sandbox(tmp_path: Path) -> None:
    """Whoever comes second waits and gets the same."""
    with running_sandbox(tmp_path) as expected:
        stop_sandbox(tmp_path)
        with ThreadPoolExecutor(3) as pool:
            records = list(pool.map(start, [tmp_path] * 3))
        assert records[0] != expected
        assert records == [records[0]] * 3
        assert is_live(records[0])


@pytest.mark.parametrize("part", ["broker", "store"])
def test_a_half_dead_sandbox_is_started_anew(tmp_path: Path, part: str) -> None:
    """What is left of it is ended first, and the new one works."""
    with running_sandbox(tmp_path) as first:
        victim: SandboxProcess = getattr(first, part)
        os.kill(victim.pid, signal.SIGKILL)
        assert wait_until(lambda: not runs(victim), seconds=30)
        second = start(tmp_path)
        assert not runs(first.broker)
        assert not runs(first.store)
        assert is_live(second)
        assume_role(second, second.users[0].email)


@pytest.mark.parametrize("text", [None, "{}"])
def test_what_runs_is_found_without_a_record(tmp_path: Path, text: str | None) -> None:
    """A start that was cut off, or a broken record, leaves no process behind for ever."""
    with running_sandbox(tmp_path) as first:
        record_path(tmp_path).unlink()
        if text is not None:
            record_path(tmp_path).write_text(text, encoding="utf-8")
        assert stop_sandbox(tmp_path)
        assert not runs(first.broker)
        assert not runs(first.store)


class Interrupted(BaseException):
    """As Control-C is: not an Exception."""


def test_an_interrupted_start_leaves_nothing_running(tmp_path: Path) -> None:
    """At whatever point it is cut off, what it had started is ended."""
    began: list[Server] = []

    def cut_off(words: str) -> None:
        if broker := find_server(tmp_path / "broker"):
            assert broker.is_alive()
            began.append(broker)
            raise Interrupted

    with pytest.raises(Interrupted):
        start_sandbox(tmp_path, progress=cut_off)
    assert not began[0].is_alive()
    assert load_sandbox_record(tmp_path) is None
    assert not config_path(tmp_path).exists()


def test_a_folder_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    """Nothing is started in it, and nobody's permissions are changed behind their back."""
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigError, match="open to other users") as caught:
        start(tmp_path)
    assert caught.value.hint == f"run: chmod 700 {tmp_path}"
    assert not list(tmp_path.iterdir())


# stopping


def test_a_stop_ends_everything_and_keeps_nothing(tmp_path: Path) -> None:
    """Processes, record, configuration and data are gone; what is not ours stays."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with running_sandbox(tmp_path) as record:
        assert stop_sandbox(tmp_path)
        assert not runs(record.broker)
        assert not runs(record.store)
        assert load_sandbox_record(tmp_path) is None
        assert {path.name for path in tmp_path.iterdir()} == {".lock", "notes.txt"}


def test_a_stop_of_nothing_is_no_error(tmp_path: Path) -> None:
    """It says that there was nothing, and makes no folder."""
    assert not stop_sandbox(tmp_path)
    assert not stop_sandbox(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_relative_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the caller's, not that of the servers, who work in folders of their own."""
    monkeypatch.chdir(tmp_path)
    with running_sandbox(Path("sandbox")) as record:
        assert is_live(record)
        assert (tmp_path / "sandbox" / "store" / "data").is_dir()


def test_two_sandboxes_live_side_by_side(tmp_path: Path, sandbox: SandboxRecord) -> None:
    """On different ports, with the same people, whose tokens only their own store believes."""
    other_folder = tmp_path / "other"
    with running_sandbox(other_folder) as other:
        assert is_live(sandbox)
        assert {other.broker.url, other.store.url}.isdisjoint(
            {sandbox.broker.url, sandbox.store.url}
        )
        assert (
            assume_role(other, "alice@sandbox.invalid")[0]
            == (assume_role(sandbox, "alice@sandbox.invalid")[0])
        )
        mixed = SandboxRecord(broker=other.broker, store=sandbox.store, users=())
        with pytest.raises(ClientError):
            assume_role(mixed, "alice@sandbox.invalid")
        stop_sandbox(other_folder)
        assert is_live(sandbox)
