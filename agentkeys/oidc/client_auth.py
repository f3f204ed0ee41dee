"""How a client shows the issuer who it is: not at all, with a secret, or with a key (RFC 7523)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote_plus

from agentkeys.errors import IssuerRefused, SourceFailed
from agentkeys.oidc.issuer import Issuer
from agentkeys.oidc.secret_places import SecretPlace, read_secret, read_text
from agentkeys.secret import Secret

__all__ = ["BASIC", "POST", "ClientSettings", "SignedForm", "sign_form"]

ASSERTION_SECONDS = 120
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

BASIC, POST = "client_secret_basic", "client_secret_post"

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_RSA = ("RS256", "PS256", "RS384", "RS512", "PS384", "PS512")
_SECRET_FIELDS = (
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "refresh_token",
)


class ClientSettings(Protocol):
    """As the configuration has them, of a person's identity or a service's."""

    @property
    def name(self) -> str: ...

    @property
    def issuer(self) -> str: ...

    @property
    def client_id(self) -> str: ...

    @property
    def secret(self) -> SecretPlace | None: ...

    @property
    def private_key_file(self) -> Path | None: ...

    @property
    def scopes(self) -> tuple[str, ...] | None: ...

    @property
    def requested_audience(self) -> str | None: ...

    @property
    def resource(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class SignedForm:
    """A request that shows who asks."""

    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """What of it no error may repeat."""


async def sign_form(
    form: Mapping[str, str],
    *,
    settings: ClientSettings,
    issuer: Issuer,
    environ: Mapping[str, str],
    now: datetime,
    in_form: bool = False,
) -> SignedForm:
    """`form` with what the client shows; `now` is the issuer's time.

    Secret and key are read each time, so that a new one counts at once. A secret goes into the
    header, unless the issuer takes none there or it is to go `in_form`. Raises SourceFailed, and
    IssuerRefused for a key that the issuer cannot check.
    """
    client_id = settings.client_id
    if settings.private_key_file is not None:
        pem = Secret(await read_text(settings.private_key_file, what="client's private key"))
        assertion = _sign_assertion(pem, settings, issuer, now)
        return _signed(form, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)
    if settings.secret is None:
        return _signed(form, client_id=client_id)
    secret = (await read_secret(settings.secret, environ=environ)).reveal()
    if in_form or (POST in issuer.auth_methods and BASIC not in issuer.auth_methods):
        return _signed(form, client_id=client_id, client_secret=secret)
    # RFC 6749, section 2.3.1, has both encoded like a form first.
    shown = b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()
    return SignedForm(form, {"authorization": f"Basic {shown}"}, (*_secrets_of(form), secret))


def _signed(form: Mapping[str, str], **shown: str) -> SignedForm:
    """With all that is shown in the form."""
    signed = {**form, **shown}
    return SignedForm(signed, {}, _secrets_of(signed))


def _secrets_of(form: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(form[name] for name in _SECRET_FIELDS if name in form)


def _sign_assertion(pem: Secret, settings: ClientSettings, issuer: Issuer, now: datetime) -> str:
    from authlib.oauth2.rfc7523 import private_key_jwt_sign  # noqa: PLC0415

    key, algorithms = _import_key(pem, settings.private_key_file)
    listed = issuer.auth_algorithms
    algorithm = next((name for name in algorithms if not listed or name in listed), None)
    if algorithm is None:
        raise IssuerRefused(
            f"the issuer {issuer.url} takes no client assertions of this kind of key",
            hint=f"make a key for one of: {', '.join(sorted(listed))}"[:200],
        )
    return private_key_jwt_sign(
        key,
        settings.client_id,
        issuer.token_endpoint,
        alg=algorithm,
        # By the issuer's clock: ours may be wrong, and assertions live for a moment.
        issued_at=int(now.timestamp()),
        expires_in=ASSERTION_SECONDS,
    )


def _import_key(pem: Secret, path: Path | None) -> tuple[Any, tuple[str, ...]]:
    """The key, and the algorithms that it can sign with, the most common one first."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    from joserfc.jwk import ECKey, RSAKey  # noqa: PLC0415

    try:
        found = load_pem_private_key(pem.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause, which may quote the key. TypeError: it is encrypted.
        found = None
    if isinstance(found, rsa.RSAPrivateKey) and found.key_size >= 2048:
        return RSAKey.import_key(pem.reveal()), _RSA
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.curve.name in _CURVES:
        return ECKey.import_key(pem.reveal()), (_CURVES[found.curve.name],)
    raise SourceFailed(
        f"{path} holds no private key that signs client assertions",
        hint="write an unencrypted PEM file with an RSA key of 2048 bits, or one on P-256",
    )
