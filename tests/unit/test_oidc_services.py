"""Services at an OpenID Connect issuer: how a client shows who it is, and the tokens it gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from agentkeys.config import SecretPlace
from agentkeys.errors import (
    AgentkeysError,
    IssuerRefused,
    SourceFailed,
    TokenInvalid,
    WrongIdentity,
)
from agentkeys.models import WebIdentityToken
from tests.fakes.issuer import SERVICE, SERVICE_SECRET, FakeIssuer, IssuerRequest
from tests.support.oidc_place import OidcPlace, play_oidc

VARIABLE = "AGENTKEYS_CLIENT_SECRET"
ENVIRON = {VARIABLE: SERVICE_SECRET}
IN_ENVIRONMENT = SecretPlace(variable=VARIABLE)
RSA_KEY = rsa.generate_private_key(65537, 2048)


def fetch(
    *,
    metadata: Mapping[str, Any] | None = None,
    tokens: Mapping[str, Any] | None = None,
    claims: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = ENVIRON,
    **changes: Any,
) -> tuple[WebIdentityToken, IssuerRequest]:
    """A service's token, and the request that it was had with."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> tuple[WebIdentityToken, IssuerRequest]:
        issuer.metadata, issuer.tokens = dict(metadata or {}), dict(tokens or {})
        issuer.claims = dict(claims or {})
        token = await place.service.fetch_token(await place.service.subject())
        return token, issuer.requests_to("/token")[-1]

    settings = {
        "client_id": SERVICE,
        "flow": "client_credentials",
        "token": "access",
        "secret": None if "private_key_file" in changes else IN_ENVIRONMENT,
    }
    return play_oidc(story, environ=environ, **{**settings, **changes})


def refusal(kind: type[AgentkeysError], words: str, **options: Any) -> AgentkeysError:
    """The error of a fetch: one line, a hint, no secret in either."""
    with pytest.raises(kind, match=words) as caught:
        fetch(**options)
    message, hint = caught.value.message, caught.value.hint
    assert message.isprintable()
    assert hint.isprintable()
    assert hint
    assert not any(part in message + hint for part in ("cret +", "s%25cret", "PRIVATE KEY", "eyJ"))
    return caught.value


def private(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


def pem(key: Any, password: bytes | None = None) -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    written: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return written


# Tokens.


def test_a_service_gets_a_token_of_its_own() -> None:
    """Nobody logs in."""
    token, request = fetch(resource="urn:store", scopes=("write", "read"))
    assert (token.subject, token.audiences) == (SERVICE, ("urn:store",))
    assert request.form["grant_type"] == "client_credentials"
    assert request.form["scope"] == "write read"
    assert request.form["resource"] == "urn:store"
    assert "prompt" not in request.form


def test_a_service_is_always_the_same_subject() -> None:
    """Known without asking anybody, and another one than any person's."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        subject = await place.service.subject()
        assert subject == place.service.held_subject() == f"{issuer.url} client {SERVICE}"
        assert issuer.requests == []
        with pytest.raises(WrongIdentity, match="another service"):
            await place.service.fetch_token(f"{issuer.url} client other")

    play_oidc(story, client_id=SERVICE, flow="client_credentials")


def test_audience_is_sent_as_it_is_configured() -> None:
    """As Auth0 wants it; no empty scope goes with it."""
    token, request = fetch(requested_audience="api")
    assert token.audiences == ("api",)
    assert request.form["audience"] == "api"
    assert not {"scope", "resource"} & set(request.form)


def test_what_a_service_gets_must_be_a_jwt() -> None:
    """Many issuers give opaque access tokens unless they are asked for an audience."""
    error = refusal(TokenInvalid, "is not a JWT", tokens={"access_token": "opaque"})
    assert "audience or resource" in error.hint


def test_a_token_of_another_issuer_is_refused() -> None:
    """The store trusts the one that was configured."""
    refusal(WrongIdentity, "another issuer", claims={"iss": "https://other.example.com"})


def test_a_service_may_show_stores_its_id_token() -> None:
    """Where the issuer gives it one."""
    refusal(IssuerRefused, "no ID token", token="id")


# Secrets.


def test_a_secret_goes_into_the_header() -> None:
    """Encoded like a form, as RFC 6749 has it; what it holds may be anything."""
    _, request = fetch()
    assert request.headers["authorization"].startswith("Basic ")
    assert not {"client_id", "client_secret"} & set(request.form)


def test_a_name_and_a_secret_may_hold_anything() -> None:
    """What separates, encodes or is no ASCII arrives as it is, where only the header counts."""
    name, secret = "a:b %3A&c+d=é/~", ":s %25&e+c=é?*"

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]
        issuer.service = name, secret
        token = await place.service.fetch_token(await place.service.subject())
        assert token.subject == name

    environ = {VARIABLE: secret}
    play_oidc(story, environ=environ, client_id=name, secret=IN_ENVIRONMENT, token="access")


def test_a_secret_goes_into_the_form_where_the_issuer_takes_no_header() -> None:
    """As its discovery says."""
    listed = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    _, request = fetch(metadata=listed)
    assert "authorization" not in request.headers
    assert request.form["client_secret"] == SERVICE_SECRET
    assert request.form["client_id"] == SERVICE


def test_a_secret_that_is_refused_in_the_header_goes_into_the_form() -> None:
    """Issuers list both ways, and some take but one of them from each client; once is enough."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.answer_with("/token", 401, {"error": "invalid_client"})
        for _ in range(2):
            await place.service.fetch_token(await place.service.subject())
        header, *forms = issuer.requests_to("/token")
        assert "authorization" in header.headers
        assert [request.form["client_secret"] for request in forms] == [SERVICE_SECRET] * 2
        assert not any("authorization" in request.headers for request in forms)

    play_oidc(story, environ=ENVIRON, client_id=SERVICE, secret=IN_ENVIRONMENT, token="access")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_be_in_a_file(tmp_path: Path, ending: str) -> None:
    """With a line's end or without."""
    file = private(tmp_path / "secret", SERVICE_SECRET + ending)
    assert fetch(secret=SecretPlace(file=file))


def test_a_secret_may_be_printed_by_a_command() -> None:
    """Run anew each time."""
    script = "print(chr(115) + 'ecret')"
    with pytest.raises(IssuerRefused, match="does not accept the client"):
        fetch(secret=SecretPlace(argv=(sys.executable, "-c", script)))


def test_a_command_s_failure_is_told_without_what_it_said() -> None:
    """Its error output may hold anything."""
    script = f"import sys; sys.stderr.write({SERVICE_SECRET!r}); sys.exit(1)"
    refusal(
        SourceFailed,
        "the client secret's command",
        secret=SecretPlace(argv=(sys.executable, "-c", script)),
    )


def test_a_secret_that_is_not_there_is_told() -> None:
    """With where it was looked for."""
    error = refusal(SourceFailed, f"variable {VARIABLE} is not set", environ={})
    assert "agentkeys daemon restart" in error.hint


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "a\tb", "s\x00"])
def test_a_secret_is_one_line(tmp_path: Path, content: str) -> None:
    """A file that is half written, or another file."""
    file = private(tmp_path / "secret", content)
    refusal(SourceFailed, "empty, or more than one line", secret=SecretPlace(file=file))
    refusal(SourceFailed, "empty, or more than one line", environ={VARIABLE: content})


def test_a_wrong_secret_is_the_issuer_s_to_refuse() -> None:
    """The client is named, and the secret is not."""
    error = refusal(
        IssuerRefused,
        f"not accept the client '{SERVICE}' \\(invalid_client\\): client authentication failed",
        environ={VARIABLE: "wrong"},
    )
    assert "check client_id" in error.hint


@pytest.mark.parametrize("where", ["error", "error_description"])
def test_no_error_repeats_a_secret(where: str) -> None:
    """Though the issuer does."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        said = {"error": "nope", where: f"not {SERVICE_SECRET}", "more": SERVICE_SECRET}
        issuer.answer_with("/token", 400, said)
        with pytest.raises(IssuerRefused) as caught:
            await place.service.fetch_token(await place.service.subject())
        assert "cret" not in caught.value.message

    play_oidc(story, environ=ENVIRON, client_id=SERVICE, secret=IN_ENVIRONMENT)


# Files that hold them.


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """As ssh does with its keys; the hint closes it."""
    file = private(tmp_path / "secret", SERVICE_SECRET)
    for mode in (0o640, 0o604, 0o660):
        file.chmod(mode)
        error = refusal(SourceFailed, "is open to other users", secret=SecretPlace(file=file))
        assert error.hint == f"run: chmod 600 {file}"
        refusal(SourceFailed, "is open to other users", private_key_file=file)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "a folder|Is a directory"),
        (lambda path: os.mkfifo(path, 0o600), "no regular file"),
        (lambda path: None, "no client secret at"),
        (lambda path: private(path, "x" * 70_000), "longer than"),
        (lambda path: private(path, b"\xff\xfe"), "is not text"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, make: Any, words: str) -> None:
    """At once: not even a pipe that nobody writes to is waited for."""
    make(tmp_path / "secret")
    refusal(SourceFailed, words, secret=SecretPlace(file=tmp_path / "secret"))


# Keys.


@pytest.mark.parametrize(
    ("key", "listed", "algorithm"),
    [
        (RSA_KEY, None, "RS256"),
        (RSA_KEY, ["PS256", "ES256"], "PS256"),
        (ec.generate_private_key(ec.SECP256R1()), ["RS256", "ES256"], "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), None, "ES384"),
    ],
)
def test_a_key_signs_that_it_is_the_client(
    tmp_path: Path, key: Any, listed: list[str] | None, algorithm: str
) -> None:
    """RFC 7523: for this issuer, for two minutes by its clock, and each time another."""
    file = private(tmp_path / "key.pem", pem(key))
    metadata = {"token_endpoint_auth_signing_alg_values_supported": listed}
    token, request = fetch(metadata=metadata, private_key_file=file)
    assert token.subject == SERVICE
    assertion = request.form["client_assertion"]
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert request.form["client_assertion_type"] == kind
    claims = jwt.decode(
        assertion,
        key.public_key(),
        algorithms=[algorithm],
        options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
    )
    assert claims["iss"] == claims["sub"] == SERVICE
    assert claims["aud"].endswith("/token")
    assert claims["exp"] - claims["iat"] == 120
    assert claims["iat"] == 1_780_315_200
    assert len(claims["jti"]) >= 32
    assert "authorization" not in request.headers


def test_a_key_that_the_issuer_cannot_check_is_refused(tmp_path: Path) -> None:
    """Before anything is sent."""
    file = private(tmp_path / "key.pem", pem(ec.generate_private_key(ec.SECP256R1())))
    metadata = {"token_endpoint_auth_signing_alg_values_supported": ["RS256"]}
    error = refusal(IssuerRefused, "this kind of key", metadata=metadata, private_key_file=file)
    assert "RS256" in error.hint


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        pem(RSA_KEY)[:200],
        pem(RSA_KEY, b"password"),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - that is the point
        RSA_KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    ],
    ids=["empty", "text", "half", "encrypted", "Ed25519", "secp256k1", "short", "public"],
)
def test_what_is_no_key_is_told(tmp_path: Path, content: bytes) -> None:
    """Without any of it."""
    file = private(tmp_path / "key.pem", content)
    error = refusal(SourceFailed, "no private key that signs", private_key_file=file)
    assert str(file) in error.message


def test_a_secret_is_read_anew_each_time(tmp_path: Path) -> None:
    """So that an operator may change it while the daemon runs."""
    file = private(tmp_path / "secret", "old")

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        subject = await place.service.subject()
        with pytest.raises(IssuerRefused):
            await place.service.fetch_token(subject)
        private(file, SERVICE_SECRET)
        assert await place.service.fetch_token(subject)

    play_oidc(story, client_id=SERVICE, token="access", secret=SecretPlace(file=file))
