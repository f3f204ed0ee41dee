"""A real OpenID Connect provider as a process on loopback: npm's oidc-provider, for which see
tests/oidc_provider.

Everybody in ACCOUNTS logs in there by name alone. Its clients:

    people          public, a native application: PKCE, and http://127.0.0.1 with any port to return
                    to; device code and refresh tokens too, which rotate and which a reuse revokes
    service         client credentials with client_secret_basic and SERVICE_SECRET
    service-post    the same with client_secret_post
    service-key     the same with private_key_jwt, for SERVICE_KEY, as `private_key_pem` gives it

An access token for a `resource` (or, as some have it, an `audience`) is a JWT for that audience.
Both it and the ID token say `preferred_username`, which for a service is its client id.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.support.node import install_programs, node
from tests.support.programs import read_line

__all__ = [
    "ACCOUNTS",
    "PEOPLE",
    "RESOURCE",
    "SERVICE",
    "SERVICE_KEY",
    "SERVICE_SECRET",
    "Lifetimes",
    "OidcProvider",
    "private_key_pem",
    "running_provider",
]

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
_SOURCES = _CHECKOUT / "tests" / "oidc_provider"
_INSTALLED = _CHECKOUT / ".oidc-provider"

PEOPLE = "people"
SERVICE = "service"
SERVICE_SECRET = "the-service-secret-of-tests"
SERVICE_KEY = ec.generate_private_key(ec.SECP256R1())
RESOURCE = "urn:agentkeys:store"
"""An audience for access tokens; a resource has to be an absolute URI."""

ACCOUNTS: Mapping[str, Mapping[str, Any]] = {
    "alice": {"groups": ["staff"], "policy": ["readwrite"]},
    "bob": {"groups": ["staff", "guests"], "policy": ["readwrite"]},
    "carol": {"groups": [], "policy": []},
}
"""What the ID token says of each person, besides `sub` and `preferred_username`."""


@dataclass(frozen=True)
class Lifetimes:
    """How long things live, and how often a device may ask; all in seconds."""

    id: int = 300
    access: int = 300
    refresh: int = 3600
    code: int = 60
    device: int = 300
    login: int = 3600
    poll: int = 1
    """Devices that ask more often than this are told to slow down."""


@dataclass(frozen=True)
class OidcProvider:
    """One that answers."""

    url: str
    """Its issuer."""
    process: subprocess.Popen[str]
    log: Path
    """A line for every request, and the trace of every fault of its own."""
    discovery: Mapping[str, Any] = field(repr=False)
    """What it publishes of itself."""

    def stop(self) -> None:
        """Nobody answers at its address from here on; a second time does nothing."""
        self.process.kill()
        self.process.communicate(timeout=30)

    def requests(self, method: str, path: str) -> int:
        """How often it has answered one, whatever it said."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return sum(line.startswith(f"{method} {path} ") for line in lines)


@contextmanager
def running_provider(
    folder: Path,
    *,
    port: int = 0,
    algorithm: str = "RS256",
    lifetimes: Lifetimes | None = None,
    accounts: Mapping[str, Mapping[str, Any]] = ACCOUNTS,
    services: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[OidcProvider]:
    """A provider with its log in `folder`, ended on the way out.

    `services` is what the tokens of each service say besides its name. With the `port` of one that
    was stopped it has the same issuer and new keys. Its log is printed if the test fails inside.
    """
    settings = {
        "port": port,
        "algorithm": algorithm,
        "lifetimes": asdict(lifetimes or Lifetimes()),
        "accounts": accounts,
        "services": services or {},
        "clients": _clients(),
    }
    program = install_programs(_SOURCES, _INSTALLED) / "server.mjs"
    argv = [str(node()), "--no-deprecation", str(program), json.dumps(settings)]
    log = folder / "oidc-provider.log"
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env={}
        ) as process,
    ):
        try:
            url = read_line(process.stdout).split()[-1]
            yield OidcProvider(url, process, log, _discover(url))
        except BaseException:
            sys.stderr.write(log.read_text(encoding="utf-8"))
            raise
        finally:
            process.kill()
            process.communicate(timeout=30)


def private_key_pem() -> str:
    """SERVICE_KEY as a file would hold it."""
    return SERVICE_KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _discover(url: str) -> Mapping[str, Any]:
    address = f"{url}/.well-known/openid-configuration"
    answer: Mapping[str, Any] = httpx.get(address, timeout=30, trust_env=False).json()
    return answer


def _clients() -> list[dict[str, Any]]:
    device = "urn:ietf:params:oauth:grant-type:device_code"
    people = {
        "client_id": PEOPLE,
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/callback", "http://127.0.0.1/", "http://[::1]/"],
        "grant_types": ["authorization_code", "refresh_token", device],
        "response_types": ["code"],
    }
    key = ECAlgorithm.to_jwk(SERVICE_KEY.public_key(), as_dict=True)
    return [
        people,
        _service(SERVICE, "client_secret_basic", client_secret=SERVICE_SECRET),
        _service("service-post", "client_secret_post", client_secret=SERVICE_SECRET),
        _service("service-key", "private_key_jwt", jwks={"keys": [{**key, "use": "sig"}]}),
    ]


def _service(name: str, method: str, **proof: Any) -> dict[str, Any]:
    return {
        "client_id": name,
        "token_endpoint_auth_method": method,
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
        **proof,
    }
