"""Clients that are commands: each call of the job is a program of its own.

In a live job one program lives as long as the whole job, and uploads in parts what it is given
slowly.
"""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from job import BUCKET, ENDPOINT, NAME, PREFIX, main

_MIB = 2**20
_HOST = urlsplit(ENDPOINT).netloc


def run(*argv: str, given: bytes = b"") -> bytes:
    """What a program prints; its standard error where it fails."""
    done = subprocess.run(argv, input=given, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr + done.stdout).decode())
    return done.stdout


def feed(argv: Sequence[str], pieces: Iterator[bytes]) -> None:
    """Runs a program that reads `pieces` from its standard input; raises where it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert process.stdin
        try:
            for piece in pieces:
                process.stdin.write(piece)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has failed, and says why
        status = process.wait(timeout=120)
        said.seek(0)
        if status:
            raise RuntimeError(said.read().decode())


def slowly(seconds: float, size: int) -> Iterator[bytes]:
    """Random bytes, `size` of them a second: as much as the client sends in one call."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield os.urandom(size)
        time.sleep(1)


class AwsCli:
    """Either AWS CLI; an old one needs the endpoint as an option."""

    def __init__(self) -> None:
        self._aws = [os.environ["JOB_PROGRAM"]]
        if "JOB_ENDPOINT_OPTION" in os.environ:
            self._aws += ["--endpoint-url", ENDPOINT]

    def put(self, key: str, body: bytes) -> None:
        run(*self._aws, "s3", "cp", "-", f"s3://{BUCKET}/{key}", given=body)

    def get(self, key: str) -> bytes:
        return run(*self._aws, "s3", "cp", f"s3://{BUCKET}/{key}", "-")

    def list(self, prefix: str) -> list[str]:
        return run(*self._aws, "s3", "ls", f"s3://{BUCKET}/{prefix}").decode().split()

    def live(self, seconds: float) -> None:
        argv = [*self._aws, "s3", "cp", "-", f"s3://{BUCKET}/{PREFIX}{NAME}"]
        feed(argv, slowly(seconds, 8 * _MIB))


class Rclone:
    """rclone, configured by its variables alone, as `agentkeys env --format rclone` sets them."""

    def put(self, key: str, body: bytes) -> None:
        run("rclone", "rcat", f":s3:{BUCKET}/{key}", given=body)

    def get(self, key: str) -> bytes:
        return run("rclone", "cat", f":s3:{BUCKET}/{key}")

    def list(self, prefix: str) -> list[str]:
        return run("rclone", "lsf", f":s3:{BUCKET}/{prefix}").decode().splitlines()

    def live(self, seconds: float) -> None:
        options = ["--retries", "1", "--low-level-retries", "1", "--s3-upload-concurrency", "1"]
        argv = ["rclone", "rcat", *options, f":s3:{BUCKET}/{PREFIX}{NAME}"]
        feed(argv, slowly(seconds, 5 * _MIB))


class Restic:
    """restic, with a repository below the prefix.

    Its `init` asks whether the bucket is there, which nobody may who is confined to a prefix. So
    the repository is made in a folder and copied.
    """

    def __init__(self) -> None:
        os.environ["RESTIC_PASSWORD"] = "a password of the tests"

    def put(self, key: str, body: bytes) -> None:
        if key.startswith(PREFIX):
            self._make(key)
        run(*self._at(key), "backup", "--stdin", "--stdin-filename", "body", given=body)

    def get(self, key: str) -> bytes:
        return run(*self._at(key), "dump", "latest", "body")

    def list(self, prefix: str) -> list[str]:
        found = json.loads(run(*self._at(prefix + NAME), "snapshots", "--json"))
        return [NAME for _ in found]

    def live(self, seconds: float) -> None:
        self._make(PREFIX + NAME)
        argv = [*self._at(PREFIX + NAME), "backup", "--stdin", "--pack-size", "4"]
        feed(argv, slowly(seconds, 5 * _MIB))

    def _make(self, key: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run("restic", "--no-cache", "--repo", folder, "init")
            run("rclone", "copy", folder, f":s3:{BUCKET}/{key}")

    def _at(self, key: str) -> tuple[str, ...]:
        return ("restic", "--no-cache", "--repo", f"s3:{ENDPOINT}/{BUCKET}/{key}")


class S3cmd:
    """s3cmd, with a configuration file of its own: without one it does not start."""

    # It knows nothing but keys: where there are none it asks the machine's own metadata service.
    _OWN = b"" if "AWS_ACCESS_KEY_ID" in os.environ else b"access_key = own\nsecret_key = own\n"

    def __init__(self) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(b"[default]\n" + self._OWN)
        options = ("--no-ssl", "--host", _HOST, "--host-bucket", _HOST)
        self._s3cmd = ("s3cmd", "--config", file.name, *options)

    def put(self, key: str, body: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            run(*self._s3cmd, "put", file.name, f"s3://{BUCKET}/{key}")

    def get(self, key: str) -> bytes:
        return run(*self._s3cmd, "--quiet", "get", f"s3://{BUCKET}/{key}", "-")

    def list(self, prefix: str) -> list[str]:
        return run(*self._s3cmd, "ls", f"s3://{BUCKET}/{prefix}").decode().split()


KINDS: dict[str, type[AwsCli | Rclone | Restic | S3cmd]] = {
    "awscli": AwsCli,
    "rclone": Rclone,
    "restic": Restic,
    "s3cmd": S3cmd,
}


def live(seconds: float) -> None:
    client = KIND()
    assert not isinstance(client, S3cmd), "it has no door that refreshes"
    client.live(seconds)


KIND = KINDS[os.environ["JOB_COMMAND"]]
main(KIND, live)
