"""The broker's ES256 key pairs. They are made at each start and never leave the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from agentkeys.secret import Secret

__all__ = ["SigningKey"]

_ALGORITHM = "ES256"


class SigningKey:
    """One key pair and the key id that its tokens carry."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self._private = ec.generate_private_key(ec.SECP256R1())

    def sign(self, claims: Mapping[str, Any]) -> Secret:
        """A compact JWT over `claims`."""
        headers = {"kid": self.kid}
        return Secret(jwt.encode(dict(claims), self._private, _ALGORITHM, headers=headers))

    def verify(self, token: Secret, *, audience: str, issuer: str) -> dict[str, Any]:
        """The claims of a token of ours; its times are the caller's to judge.

        Raises jwt.InvalidTokenError.
        """
        if jwt.get_unverified_header(token.reveal()).get("kid") != self.kid:
            raise jwt.InvalidTokenError("signed with another key")
        return jwt.decode(
            token.reveal(),
            self._private.public_key(),
            algorithms=[_ALGORITHM],
            audience=audience,
            issuer=issuer,
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub"]},
        )

    def public_jwk(self) -> dict[str, Any]:
        """The public half, as a key set lists it."""
        public = ECAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": _ALGORITHM, "use": "sig"}
