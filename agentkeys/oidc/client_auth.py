"""How a client shows the issuer who it is: not at all, with a secret, or with a key (RFC 7523)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote_plus, urlencode

from agentkeys.errors import IssuerRefused, SourceFailed
from agentkeys.oidc.issuer import Issuer
from agentkeys.oidc.secret_places import SecretPlace, read_secret, read_text
from agentkeys.secret import Secret

__all__ = ["BASIC", "POST", "ClientSettings", "SignedForm", "sign_form"]

ASSERTION_SECONDS = 120

BASIC, POST = "client_secret_basic", "client_secret_post"

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_RSA = ("RS256", "PS256", "RS384", "RS512", "PS384", "PS512")


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
    if settings.private_key_file is not None:
        pem = await read_text(settings.private_key_file, what="client's private key")
        return _sign_with_key(form, Secret(pem), settings, issuer, now)
    if settings.secret is not None:
        secret = await read_secret(settings.secret, environ=environ)
        in_form = in_form or (POST in issuer.auth_methods and BASIC not in issuer.auth_methods)
        return _sign_with_secret(form, secret, settings.client_id, issuer, in_form=in_form)
    return _prepare(form, settings.client_id, None, "none", issuer.token_endpoint)


def _sign_with_secret(
    form: Mapping[str, str], secret: Secret, client_id: str, issuer: Issuer, *, in_form: bool
) -> SignedForm:
    shown = client_id, secret.reveal()
    if not in_form:
        # RFC 6749, section 2.3.1, has both encoded like a form; Authlib leaves that to its caller.
        shown = quote_plus(shown[0]), quote_plus(shown[1])
    signed = _prepare(form, *shown, POST if in_form else BASIC, issuer.token_endpoint)
    return SignedForm(signed.form, signed.headers, (*signed.secrets, secret.reveal()))


def _sign_with_key(
    form: Mapping[str, str], pem: Secret, settings: ClientSettings, issuer: Issuer, now: datetime
) -> SignedForm:
    from authlib.oauth2.rfc7523 import PrivateKeyJWT  # noqa: PLC0415

    key, algorithms = _import_key(pem, settings.private_key_file)
    listed = issuer.auth_algorithms
    algorithm = next((name for name in algorithms if not listed or name in listed), None)
    if algorithm is None:
        raise IssuerRefused(
            f"the issuer {issuer.url} takes no client assertions of this kind of key",
            hint=f"make a key for one of: {', '.join(sorted(listed))}"[:200],
        )
    seconds = int(now.timestamp())
    method = PrivateKeyJWT(
        issuer.token_endpoint,
        # By the issuer's clock: ours may be wrong, and assertions live for a moment.
        claims={"iat": seconds, "exp": seconds + ASSERTION_SECONDS},
        alg=algorithm,
    )
    return _prepare(form, settings.client_id, key, method, issuer.token_endpoint)


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


def _prepare(
    form: Mapping[str, str], client_id: str, secret: object, method: object, endpoint: str
) -> SignedForm:
    from authlib.oauth2.auth import ClientAuth  # noqa: PLC0415

    auth: Any = ClientAuth(client_id, secret, method)
    _, headers, body = auth.prepare("POST", endpoint, {}, urlencode(form))
    signed = dict(parse_qsl(body, keep_blank_values=True))
    shown = {name: value for name, value in signed.items() if name in _SECRET_FIELDS}
    return SignedForm(
        signed, {name.lower(): value for name, value in headers.items()}, tuple(shown.values())
    )


_SECRET_FIELDS = (
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "refresh_token",
)
