"""config.toml, as people and their programs write it."""

from __future__ import annotations

from collections.abc import Sequence

from agentkeys.config import Config, parse_config
from agentkeys.errors import ConfigError
from tests.fuzz.edges.edge import Edge, hold

__all__ = ["CONFIGURATION"]

_WHOLE = """
default_profile = "data"
audit = "required"
idle_exit = "8h"

[identities.me]
source = "broker"
url = "https://broker.example.com"
ca_file = "/etc/ssl/own.pem"

[identities.people]
source = "oidc"
issuer = "https://issuer.example.com/realms/x"
client_id = "agentkeys"
flow = "client_credentials"
scopes = ["openid", "groups"]
client_secret_env = "AGENTKEYS_CLIENT_SECRET"
redirect_port = 8400

[identities.pod]
source = "file"
path = "/var/run/token"

[identities.tool]
source = "command"
argv = ["tool", "--token"]
timeout = "5s"

[identities.job]
source = "github"
audience = "sts.amazonaws.com"

[stores.lab]
kind = "seaweedfs"
sts_endpoint = "http://127.0.0.1:18333"
s3_endpoint = "http://127.0.0.1:18333"
region = "us-east-1"

[stores.cloud]
kind = "aws"
region = "eu-central-1"
fips = true
dual_stack = false
checksums = "when_required"

[profiles.data]
identity = "me"
store = "lab"
role_arn = "arn:aws:iam::000000000001:role/agentkeys-data"
duration = "1h"
bucket = "agentkeys"
prefix = "bots/{wallet}/"
allow = ["s3://agentkeys/bots/x/:ro"]
expect_wallet = "0x745f96a153d61c6e0ea9514811e2ce9f6f1f5ef9"
lease = "run"

[profiles.glass]
identity = "people"
store = "cloud"
role_arn = "arn:aws:iam::000000000001:role/admin"
confine = "role"
break_glass = true
policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
"""


def _seeds() -> Sequence[bytes]:
    tables = _WHOLE.split("\n\n")
    return [_WHOLE.encode(), *(table.encode() for table in tables)]


def _check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        config = parse_config(text, file="config.toml", origin="config.toml", path=None)
    except ConfigError as problem:
        shown = f"{problem.message}{problem.hint}"
        hold(shown.isprintable(), "an error that a terminal would obey")
        hold(problem.hint, "an error that leaves people alone")
        return
    _check_config(config)


def _check_config(config: Config) -> None:
    hold(config.default_profile in (None, *config.profiles), "a default that is not there")
    for profile in config.profiles.values():
        hold(config.identities.get(profile.identity.name) is profile.identity, "a lost identity")
        hold(profile.role_arn or not profile.store.kind.needs_role_arn, "no role where one is due")
        kind = profile.store.kind
        hold(kind.min_duration <= profile.duration <= kind.max_duration, "a duration out of range")
        url = profile.store.sts_url(profile.region or "us-east-1")
        hold(url.startswith(("https://", "http://")), "an STS that is no URL")
        if url.startswith("http://"):
            host = url.removeprefix("http://")
            hold(host.startswith(("127.", "localhost", "[::1]")), "tokens in the clear")


CONFIGURATION = Edge("config", "configuration files", _seeds, _check)
