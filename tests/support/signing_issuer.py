"""An issuer that signs whatever a test tells it, with a key that a store can fetch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from jwt.algorithms import ECAlgorithm

from tests.support.pages import Pages, running_pages
from tests.support.tokens import sign, signing_key

__all__ = ["SigningIssuer", "running_issuer"]

_KEY = "oidc"
_JWKS = "/jwks"


@dataclass(frozen=True)
class SigningIssuer:
    """One that runs."""

    pages: Pages
    """Of its server: for other endpoints of such an issuer."""

    @property
    def url(self) -> str:
        """Its name."""
        return self.pages.url

    @property
    def jwks(self) -> str:
        """Where its keys are."""
        return self.url + _JWKS

    def sign(self, claims: Mapping[str, object], *, seconds: float = 3600, key: str = _KEY) -> str:
        """A token with `claims` that is good for so long; with another `key`, a forged one."""
        now = time.time()
        times = {"iat": int(now), "nbf": int(now), "exp": int(now + seconds)}
        return sign({"iss": self.url, **times, **claims}, key=key)


@contextmanager
def running_issuer() -> Iterator[SigningIssuer]:
    public = ECAlgorithm.to_jwk(signing_key(_KEY).public_key(), as_dict=True)
    # The name of the key is the one that `sign` writes into tokens.
    key = {**public, "kid": f"{_KEY}-1778200000", "use": "sig", "alg": "ES256"}
    with running_pages({_JWKS: json.dumps({"keys": [key]}).encode()}) as pages:
        found = SigningIssuer(pages)
        description = {"issuer": found.url, "jwks_uri": found.jwks}
        pages.content["/.well-known/openid-configuration"] = json.dumps(description).encode()
        yield found
