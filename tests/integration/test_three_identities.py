"""Two people and a service, at a broker and at an issuer, on one daemon and one store, all at once.

alice logs in at the development broker (ES256), bob in a browser at a real OpenID Connect provider
(RS256), and the service shows its secret there. Each of them uses every door while the others do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.browser_script import browser_script
from tests.support.dev_broker import running_broker
from tests.support.federated_store import (
    BROKER_ROLE,
    BUCKET,
    PEOPLE_ROLE,
    FederatedStore,
    running_federated_store,
)
from tests.support.oidc_person import Person
from tests.support.oidc_provider import (
    PEOPLE,
    RESOURCE,
    SERVICE,
    SERVICE_SECRET,
    OidcProvider,
)
from tests.support.programs import Home, new_home

REACH = Path(__file__).parents[1] / "e2e" / "programs" / "reach.py"
ALL, NOTHING = [True, True, True], [False, False, False]
WHO = ("alice", "bob", "service")


@dataclass(frozen=True)
class Three:
    """The home that all three are at home in."""

    home: Home
    prefixes: Mapping[str, str]
    """Whose is whose."""


@pytest.fixture(scope="module")
def three(oidc_provider: OidcProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    """Everybody is logged in; nothing has been minted."""
    folder = tmp_path_factory.mktemp("three")
    (folder / "broker").mkdir(mode=0o700)
    with (
        running_broker(folder / "broker", "--follow-links") as broker,
        running_federated_store(
            folder / "store", provider=oidc_provider, broker=broker.url
        ) as store,
        new_home() as home,
    ):
        secret = home.folder / "client-secret"
        secret.touch(mode=0o600)
        secret.write_text(SERVICE_SECRET)
        home.configure(_configuration(broker.url, oidc_provider, store, secret))
        alice = json.loads(
            home.run("agentkeys", "login", "alice", "--email", "alice@example.com", "--json").stdout
        )
        _log_bob_in(home, folder)
        yield Three(
            home,
            {
                "alice": f"bots/{alice['wallet']}/",
                "bob": "people/bob/",
                "service": f"people/{SERVICE}/",
            },
        )


def _log_bob_in(home: Home, folder: Path) -> None:
    with (
        browser_script(folder) as handed,
        Person("bob") as bob,
        home.start("agentkeys", "login", "bob", env=handed.environment) as login,
    ):
        page = bob.visit(handed.next_address())
        told, _ = login.communicate(timeout=60)
    assert "close this" in page
    assert told.startswith("logged in: bob as account-bob")


def _configuration(broker: str, provider: OidcProvider, store: FederatedStore, secret: Path) -> str:
    profiles = "".join(
        f"""
[profiles.{name}]
identity = "{name}"
store = "lab"
role_arn = "{role}"
bucket = "{BUCKET}"
confine = "claim:{claim}"
prefix = "{place}/{{claim:{claim}}}/"
"""
        for name, role, claim, place in (
            ("alice", BROKER_ROLE, "agentkeys_user_wallet", "bots"),
            ("bob", PEOPLE_ROLE, "preferred_username", "people"),
            ("service", PEOPLE_ROLE, "preferred_username", "people"),
        )
    )
    return f"""
[identities.alice]
source = "broker"
url = "{broker}"
signer_url = "{broker}"

[identities.bob]
source = "oidc"
issuer = "{provider.url}"
client_id = "{PEOPLE}"

[identities.service]
source = "oidc"
issuer = "{provider.url}"
client_id = "{SERVICE}"
flow = "client_credentials"
resource = "{RESOURCE}"
client_secret_file = "{secret}"

[stores.lab]
kind = "seaweedfs"
sts_endpoint = "{store.url}"
s3_endpoint = "{store.url}"
{profiles}"""


def _reach(three: Three, door: str, who: str) -> list[str]:
    """The command that shows how far `who` gets through `door`."""
    own = three.prefixes[who]
    program = [sys.executable, REACH, BUCKET, own, *three.prefixes.values()]
    words = [str(word) for word in program]
    under_exec = ["agentkeys", "exec", "--profile", who]
    if door == "credential_process":
        return words
    if door == "env":
        given = f'eval "$({three.home.program("agentkeys")} env --profile {who})" && exec "$@"'
        return ["sh", "-c", given, "sh", *words]
    options = {
        "exec": [],
        "endpoint": ["--refresh"],
        "narrowed": ["--allow", f"s3://{BUCKET}/{own}:rw"],
        "legacy": ["--legacy-mint", "LEGACY_URL:LEGACY_TOKEN"],
    }[door]
    return [*under_exec, *options, "--", *words]


def _environment(three: Three, door: str, who: str) -> dict[str, str]:
    if door != "credential_process":
        return {}
    return {
        "AWS_PROFILE": who,
        "AWS_CONFIG_FILE": str(three.home.folder / "aws-config"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.mark.parametrize(
    "door", ["exec", "endpoint", "narrowed", "credential_process", "env", "legacy"]
)
def test_nobody_reaches_another_s_prefix(three: Three, door: str) -> None:
    """All three at once, twice each: all of one's own, and nothing of anybody else's."""
    if door == "credential_process":
        for who in WHO:
            three.home.run(
                "agentkeys", "configure-aws", who, "--as", who, env=_environment(three, door, who)
            )

    def run(who: str) -> dict[str, list[bool]]:
        done = three.home.run(
            *_reach(three, door, who), env=_environment(three, door, who), patience=120
        )
        assert done.status == 0, done
        found: dict[str, list[bool]] = json.loads(done.stdout)
        return found

    everybody = (*WHO, *WHO)
    with ThreadPoolExecutor(len(everybody)) as threads:
        reached = list(threads.map(run, everybody))
    for who, found in zip(everybody, reached, strict=True):
        assert found == {
            prefix: ALL if owner == who else NOTHING for owner, prefix in three.prefixes.items()
        }


@pytest.mark.parametrize("other", ["bob", "service"])
def test_a_program_cannot_ask_for_another_s_profile(three: Three, other: str) -> None:
    """Inside a run of alice's, the socket serves her alone."""
    shim = three.home.program("agentkeys-credential-process")
    inside = ["--keep-env", "AGENTKEYS_SOCKET", "--", str(shim), "--profile", other]
    done = three.home.run("agentkeys", "exec", "--profile", "alice", *inside)
    assert (done.status, done.stdout) == (1, "")
    assert "another profile than its own" in done.stderr


def test_everybody_is_told_apart(three: Three) -> None:
    """`whoami` and `status` take an identity, and tell of nobody else then."""
    subjects = {}
    for who in WHO:
        person = json.loads(three.home.succeed("agentkeys", "whoami", who, "--json"))
        status = json.loads(three.home.succeed("agentkeys", "status", who, "--json"))
        assert person["identity"] == who
        assert [identity["name"] for identity in status["identities"]] == [who]
        assert {profile["identity"] for profile in status["profiles"]} == {who}
        assert f"{who}: " in three.home.succeed("agentkeys", "status", who)
        subjects[who] = person["subject"]
    assert len(set(subjects.values())) == len(WHO)


def test_the_ledger_tells_them_apart(three: Three) -> None:
    """Every line about a profile names the one identity that it is of."""
    for who in WHO:
        three.home.succeed("agentkeys", "exec", "--profile", who, "--", "true")
    lines = (three.home.state / "audit" / "ledger.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["profile"]]
    assert {row["identity"] for row in rows} == set(WHO)
    assert all(row["identity"] == row["profile"] for row in rows)
    minted = [row for row in rows if row["event"] in ("mint", "serve") and row["outcome"] == "ok"]
    subjects = {who: {row["subject"] for row in minted if row["profile"] == who} for who in WHO}
    assert [len(subjects[who]) for who in WHO] == [1, 1, 1]
    assert len(set().union(*subjects.values())) == len(WHO)
    keys = {who: {row["access_key_id"] for row in rows if row["profile"] == who} for who in WHO}
    for who in WHO:
        for other in WHO:
            assert who == other or not (keys[who] & keys[other] - {None})


def test_one_who_logs_out_takes_nobody_along(three: Three) -> None:
    """The others are served on."""
    three.home.succeed("agentkeys", "logout", "bob")
    done = three.home.run("agentkeys", "exec", "--profile", "bob", "--", "true")
    assert done.status == 125
    assert "agentkeys login bob" in done.stderr
    for who in ("alice", "service"):
        three.home.succeed("agentkeys", "exec", "--profile", who, "--", "true")
