"""A real broker and a real store with a role for each way in which an operator may err.

agentkeys-data      each of the broker's users has bots/<their wallet>/
broad               everybody may do everything: a grant that undoes the isolation
bare                nobody may do anything
of-others           trusts nobody whom the broker knows
people              the same prefixes, for whom a second issuer has signed
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentkeys_shell.sandbox.iam import (
    ACCOUNT,
    BUCKET,
    ROLE_ARN,
    build_iam_document,
    own_prefix_policy,
)
from agentkeys_shell.sandbox.processes import end_servers
from agentkeys_shell.sandbox.seaweedfs import find_weed, start_store
from tests.support.dev_broker import BrokerClient, RunningBroker, running_broker
from tests.support.place import render_toml
from tests.support.programs import Home
from tests.support.raw_http import ask
from tests.support.signing_issuer import SigningIssuer, running_issuer

__all__ = ["STORE_AUDIENCE", "Laboratory", "role", "running_laboratory"]

STORE_AUDIENCE = "the-store"
"""Whom the second issuer's tokens have to be for."""

Tables = dict[str, Any]


def role(name: str, account: str = ACCOUNT) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{name}"


@dataclass
class Laboratory:
    """A home whose profile `data` is as sound as can be, until a test changes `tables`."""

    home: Home
    broker: RunningBroker
    issuer: SigningIssuer
    store: str
    """The URL of its STS and S3 alike."""
    session: str
    """Of alice."""
    tables: Tables = field(default_factory=dict)

    def sound_tables(self) -> Tables:
        return {
            "identities": {
                "me": {"source": "broker", "url": self.broker.url},
                "other": {"source": "broker", "url": self.broker.url},
                "file": {"source": "file", "path": str(self.token_file)},
            },
            "stores": {
                "lab": {
                    "kind": "seaweedfs",
                    "sts_endpoint": self.store,
                    "s3_endpoint": self.store,
                }
            },
            "profiles": {
                "data": {
                    "identity": "me",
                    "store": "lab",
                    "role_arn": ROLE_ARN,
                    "bucket": BUCKET,
                    "prefix": "bots/{wallet}/",
                }
            },
            "default_profile": "data",
        }

    @property
    def token_file(self) -> Path:
        """Where the identity `file` has its tokens from."""
        return self.home.work / "token"

    def change(self, table: str, name: str, **values: Any) -> None:
        """Into the configuration, with None a key goes."""
        changed = self.tables[table][name] | values
        kept = {key: value for key, value in changed.items() if value is not None}
        self.tables[table][name] = kept
        self.configure()

    def profile(self, **values: Any) -> None:
        self.change("profiles", "data", **values)

    def token(self, token: str, *, role_arn: str, **values: Any) -> None:
        """The profile's tokens come from a file, which holds this one."""
        self.token_file.write_text(token, encoding="ascii")
        self.token_file.chmod(0o600)
        self.profile(identity="file", role_arn=role_arn, **values)

    def sign(self, claims: Mapping[str, object], **options: Any) -> str:
        """A token of the second issuer, good for its role but for what `claims` say."""
        good: Tables = {
            "sub": "agentkeys:agent:alice",
            "aud": STORE_AUDIENCE,
            "agentkeys_user_wallet": "0xa11ce",
        }
        said = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return self.issuer.sign(said, **options)

    def configure(self) -> None:
        self.home.configure(render_toml(self.tables))
        self.home.config.chmod(0o600)

    def log_in(
        self, session: str | None = None, *, identity: str = "me", url: str | None = None
    ) -> None:
        """As alice, or with a session of a test's own, to the broker, or at another address."""
        sent = {"session_jwt": session or self.session, "url": url or self.broker.url}
        body = json.dumps(sent).encode()
        answer = ask(self.home, "PUT", f"/v1/identities/{identity}/session", body=body)
        assert answer.status == 200, answer

    def log_in_as_other(self) -> None:
        """The identity `other`, as bob."""
        with BrokerClient(self.broker.url) as client:
            session = client.managed_login("bob@example.com")["session_jwt"]
        self.log_in(session, identity="other")

    def log_out(self) -> None:
        assert ask(self.home, "DELETE", "/v1/identities/me/session").status == 200

    def mend(self) -> None:
        """As it was at first."""
        self.tables = self.sound_tables()
        self.token_file.unlink(missing_ok=True)
        self.configure()
        self.log_in()


@contextmanager
def running_laboratory(home: Home, folder: Path) -> Iterator[Laboratory]:
    """In `folder`, which is there; the daemon of `home` runs."""
    store_folder = folder / "store"
    store_folder.mkdir(mode=0o700)
    with running_issuer() as issuer, running_broker(folder, "--follow-links") as broker:
        try:
            iam = _iam(broker.url, issuer)
            store = start_store(store_folder, weed=find_weed(), iam=iam).url
            with BrokerClient(broker.url) as client:
                session = client.managed_login("alice@example.com")["session_jwt"]
            found = Laboratory(home, broker, issuer, store, session)
            found.mend()
            yield found
        finally:
            end_servers([store_folder])


def _iam(broker: str, issuer: SigningIssuer) -> Tables:
    document = build_iam_document(issuer=broker, max_session=timedelta(hours=2))
    [own] = document["policies"]
    [data] = document["roles"]
    document["providers"].append(_provider(issuer))
    document["policies"] += [
        {"name": "Everything", "document": _policy(["s3:*"], ["arn:aws:s3:::*"])},
        {"name": "Nothing", "document": _policy(["s3:GetObject"], ["arn:aws:s3:::nowhere/*"])},
        {
            "name": "OwnOfPeople",
            "document": own_prefix_policy("bots/${jwt:agentkeys_user_wallet}/*"),
        },
    ]
    document["roles"] += [
        data | _named("broad") | {"attachedPolicies": [own["name"], "Everything"]},
        data | _named("bare") | {"attachedPolicies": ["Nothing"]},
        data | _named("of-others") | {"trustPolicy": _trust(data, "oidc:sub", "nobody:*")},
        data
        | _named("people")
        | {"attachedPolicies": ["OwnOfPeople"], "trustPolicy": _trusting("people")},
    ]
    return document


def _named(name: str) -> Tables:
    return {"roleName": name, "roleArn": role(name)}


def _provider(issuer: SigningIssuer) -> Tables:
    config = {
        "issuer": issuer.url,
        "clientIds": [STORE_AUDIENCE],
        "jwksUri": issuer.jwks,
        "jwksCacheTTLSeconds": 60,
    }
    return {"name": "people", "type": "oidc", "enabled": True, "config": config}


def _policy(actions: list[str], resources: list[str]) -> Tables:
    allowed = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {"Version": "2012-10-17", "Statement": [allowed]}


def _trusting(provider: str) -> Tables:
    trusted = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
    }
    return {"Version": "2012-10-17", "Statement": [trusted]}


def _trust(sound: Tables, name: str, pattern: str) -> Tables:
    """The sound role's trust with one more condition, which nobody meets."""
    policy: Tables = copy.deepcopy(sound["trustPolicy"])
    policy["Statement"][0]["Condition"]["StringLike"] = {name: pattern}
    return policy
