"""The key set that goes with the tokens of a fake broker."""

from __future__ import annotations

import base64

from jwt.algorithms import ECAlgorithm

from tests.fakes.broker import FakeBroker
from tests.support.tokens import signing_key

__all__ = ["publish_keys"]

_MANY = 50


def publish_keys(broker: FakeBroker, *, certificates: bool = False) -> None:
    """Where its discovery document says; with `certificates`, as Ceph needs them."""
    key = ECAlgorithm.to_jwk(signing_key("oidc").public_key(), as_dict=True)
    named = {**key, "kid": "oidc-1778200000", "use": "sig", "alg": "ES256"}
    if certificates:
        named["x5c"] = [base64.b64encode(b"a certificate").decode()]
    broker.answer_with("/.well-known/jwks.json", 200, {"keys": [named]}, times=_MANY)
