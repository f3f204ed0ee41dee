"""What a provider for ten thousand users takes: memory, and time for a warm call.

Run as a program it is the service, in a process of its own, so that nothing else is measured.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from agentkeys.provider import AsyncCredentialProvider, CredentialProvider
from tests.fakes.sts import FakeSts, success_body
from tests.support.tokens import User, sign, web_identity_claims

__all__ = ["SUBJECTS", "Providing", "provide_for_many"]

SUBJECTS = 10_000
WARM = 1_000
"""Of them are asked for again."""
ROUNDS = 15
AT_ONCE = 50
PROFILE = "data"
SESSION_TOKEN = 1_400
"""Characters, as SeaweedFS makes them."""

CONFIGURATION = """
[identities.me]
source = "broker"
url = "https://broker.example.com"
[stores.lab]
kind = "seaweedfs"
sts_endpoint = "{url}"
s3_endpoint = "{url}"
[profiles.data]
identity = "me"
store = "lab"
bucket = "agentkeys"
role_arn = "arn:aws:iam::000000000001:role/data"
"""


@dataclass(frozen=True)
class Providing:
    """What one process for all of them takes."""

    resident: float
    """MiB, all in all."""
    blocking: float
    """Seconds for a warm call, median of the rounds."""
    asynchronous: float


def provide_for_many() -> Providing:
    """Starts the service, and a store for it."""
    with TemporaryDirectory(prefix="agentkeys-bench-") as folder, _Sts("seaweedfs") as sts:
        _give_long_tokens(sts)
        path = Path(folder) / "config.toml"
        path.write_text(CONFIGURATION.format(url=sts.url), encoding="utf-8")
        argv = [sys.executable, "-I", __file__]
        environment = {"AGENTKEYS_CONFIG": str(path), "HOME": folder}
        done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=True)
    return Providing(**json.loads(done.stdout))


class _Sts(FakeSts):
    """Leaves connections open: closed ones would fill the table that is looked at for each call."""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        handler = super()._handler()
        handler.protocol_version = "HTTP/1.1"
        handler.disable_nagle_algorithm = True
        return handler


def _give_long_tokens(sts: FakeSts) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    long = b"<SessionToken>" + b"x" * SESSION_TOKEN
    for number in range(SUBJECTS + WARM):
        body = success_body("seaweedfs", number=number, expires_at=expires_at)
        sts.answer_with(200, body.replace(b"<SessionToken>", long))


def serve() -> Providing:
    """Gets credentials for everybody, and then those of some again and again."""
    resident, asynchronous, tokens = asyncio.run(_serve_tasks())
    with CredentialProvider() as provider:

        def ask_all() -> None:
            for token in tokens:
                provider.credentials_for(web_identity_token=token, profile=PROFILE)

        ask_all()
        blocking = statistics.median(_time(ask_all) for _ in range(ROUNDS))
    return Providing(resident, blocking, asynchronous)


async def _serve_tasks() -> tuple[float, float, list[str]]:
    async with AsyncCredentialProvider() as provider:
        tokens: list[str] = []
        for first in range(0, SUBJECTS, AT_ONCE):
            # Only some are kept: a service has a token for as long as a request takes.
            tokens = [*tokens, *map(_token, range(first, first + AT_ONCE))][-WARM:]
            asking = (
                provider.credentials_for(web_identity_token=token, profile=PROFILE)
                for token in tokens[-AT_ONCE:]
            )
            await asyncio.gather(*asking)
        assert f"{SUBJECTS} of {SUBJECTS} held" in repr(provider)
        resident = _resident()
        rounds = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            for token in tokens:
                await provider.credentials_for(web_identity_token=token, profile=PROFILE)
            rounds.append((time.perf_counter() - begun) / WARM)
        return resident, statistics.median(rounds), tokens


def _token(number: int) -> str:
    user = User(omni=f"{number:064x}", wallet=f"0x{number:040x}")
    claims = web_identity_claims(user, at=datetime.now(UTC), lifetime=timedelta(hours=8))
    return sign(claims)


def _time(ask_all: Callable[[], None]) -> float:
    begun = time.perf_counter()
    ask_all()
    return (time.perf_counter() - begun) / WARM


def _resident() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(serve())))
