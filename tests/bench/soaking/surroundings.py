"""A daemon whose broker and store are a real sandbox's, with a proxy in front of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentkeys_shell.sandbox.iam import BUCKET, ROLE_ARN
from tests.support.dev_broker import BrokerClient
from tests.support.faulty_proxy import FaultyProxy
from tests.support.place import SHIM, render_toml
from tests.support.programs import Home, new_home
from tests.support.raw_http import ask
from tests.support.sandbox import running_sandbox

__all__ = ["PROFILES", "SESSION", "Surroundings", "surroundings"]

SESSION = timedelta(seconds=10)
"""How long the store lets credentials live, whatever it is asked for."""

PROFILES = {f"data{number}": f"{15 + number}m" for number in range(8)}
"""With the duration that each asks for, so that each has leases of its own."""


@dataclass(frozen=True)
class Surroundings:
    """What runs."""

    home: Home
    broker: FaultyProxy
    sts: FaultyProxy
    session: str
    """A session JWT that the broker takes all the time."""

    def log_in(self) -> None:
        """As a person does whose session the broker has refused."""
        body = json.dumps({"session_jwt": self.session, "url": self.broker.url}).encode()
        assert ask(self.home, "PUT", "/v1/identities/me/session", body=body).status == 200

    def needs_login(self) -> bool:
        (identity,) = self._status()["identities"]
        return bool(identity["session"] != "live")

    def seconds_left(self) -> float:
        """Of the lease that ends first; 0 where one is missing."""
        # The daemon tells whole seconds, rounded down.
        profiles = self._status()["profiles"]
        return float(min(profile["expires_in_seconds"] or 0 for profile in profiles))

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.home, "GET", "/v1/health").json()
        return found

    def mints(self) -> int:
        """How many leases the ledger says were minted."""
        ledger = self.home.state / "audit" / "ledger.jsonl"
        with ledger.open(encoding="utf-8") as lines:
            rows = (json.loads(line) for line in lines if '"mint"' in line)
            return sum(row["event"] == "mint" and row["outcome"] == "ok" for row in rows)

    def _status(self) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.home, "GET", "/v1/status").json()
        return found


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Everything runs while the block does; every profile has a lease."""
    with new_home() as home:
        folder = home.folder / "sandbox"
        folder.mkdir(mode=0o700)
        with (
            running_sandbox(folder, users=1, max_session=SESSION) as sandbox,
            FaultyProxy(sandbox.broker.url) as broker,
            FaultyProxy(sandbox.store.url) as sts,
        ):
            # At the broker itself: what it gives to be signed names its own address.
            with BrokerClient(sandbox.broker.url) as client:
                session = client.managed_login(sandbox.users[0].email)["session_jwt"]
            where = Surroundings(home, broker, sts, session)
            home.configure(render_toml(_tables(broker.url, sts.url, sandbox.store.url)))
            home.succeed("agentkeys", "daemon", "start")
            where.log_in()
            for profile in PROFILES:
                home.succeed(SHIM, "--profile", profile)
            try:
                yield where
            finally:
                # Before the proxies go, so that it ends with nothing under way.
                home.succeed("agentkeys", "daemon", "stop")


def _tables(broker: str, sts: str, s3: str) -> dict[str, Any]:
    def profile(duration: str) -> dict[str, str]:
        return {
            "identity": "me",
            "store": "lab",
            "role_arn": ROLE_ARN,
            "duration": duration,
            "bucket": BUCKET,
            "prefix": "bots/{wallet}/",
        }

    return {
        "default_profile": "data0",
        "identities": {"me": {"source": "broker", "url": broker}},
        "stores": {
            "lab": {
                "kind": "seaweedfs",
                "sts_endpoint": sts,
                "s3_endpoint": s3,
                "region": "us-east-1",
            }
        },
        "profiles": {name: profile(duration) for name, duration in PROFILES.items()},
    }
