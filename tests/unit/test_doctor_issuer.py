"""The steps about whoever signs the tokens: is it there, who is it, and which keys has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentkeys.config import BrokerIdentity, FileIdentity, Identity
from agentkeys.doctor.discovery import discovery_url, examine_discovery, leads_inward
from agentkeys.doctor.keys import examine_keys
from agentkeys.doctor.probes import Page
from agentkeys.doctor.server import examine_server, health_url
from agentkeys.errors import ConfigError
from agentkeys.models import WebIdentityToken
from agentkeys.stores import AWS, CEPH, SEAWEEDFS, StoreKind
from tests.support.doctoring import KID, a_page, a_token, no_page, public_key, verdict
from tests.support.oidc_place import an_identity
from tests.support.tokens import AUDIENCE, ISSUER

BROKER = BrokerIdentity("me", ISSUER, AUDIENCE, None)
FILE = FileIdentity("job", None, None)
OIDC = an_identity(ISSUER)
UNUSABLE = Page(ISSUER, problem=ConfigError("ca.pem cannot be read", hint="correct ca_file"))
DOCUMENT = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}


# the server


@pytest.mark.parametrize(
    ("identity", "page", "verdict_"),
    [
        (BROKER, a_page(b"ok"), ("ok", None)),
        (OIDC, a_page(DOCUMENT), ("ok", None)),
        (OIDC, a_page(b"", status=404), ("ok", None)),  # the next step says what is missing
        (BROKER, no_page(), ("failed", "broker_unreachable")),
        (OIDC, no_page(), ("failed", "issuer_unreachable")),
        (BROKER, a_page(b"", status=302), ("failed", "broker_redirects")),
        (OIDC, a_page(b"", status=503), ("failed", "issuer_broken")),
        (BROKER, a_page(b"", status=404), ("warning", "not_a_broker")),
        (BROKER, UNUSABLE, ("failed", "config_invalid")),
        (FILE, None, ("skipped", None)),
    ],
)
def test_a_server_is_there_or_not(
    identity: Identity, page: Page | None, verdict_: tuple[str, str | None]
) -> None:
    assert verdict(examine_server(identity, page)) == verdict_


def test_a_broker_is_asked_for_its_health_an_issuer_for_its_description() -> None:
    assert health_url(BROKER) == f"{ISSUER}/healthz"
    assert health_url(OIDC) == discovery_url(ISSUER) == discovery_url(f"{ISSUER}/")
    assert health_url(FILE) is None


# the discovery document


@pytest.mark.parametrize(
    ("page", "verdict_"),
    [
        (a_page(DOCUMENT), ("ok", None)),
        (no_page(), ("failed", "discovery_unreachable")),
        (a_page(b"", status=404), ("failed", "discovery_missing")),
        (a_page(b"<html>"), ("failed", "discovery_malformed")),
        (a_page([1]), ("failed", "discovery_malformed")),
        (a_page({**DOCUMENT, "issuer": f"{ISSUER}/"}), ("failed", "issuer_mismatch")),
        (a_page({"jwks_uri": "x"}), ("failed", "issuer_mismatch")),
        (a_page({"issuer": ISSUER}), ("failed", "jwks_uri_missing")),
        (a_page({**DOCUMENT, "jwks_uri": 5}), ("failed", "jwks_uri_missing")),
    ],
)
def test_an_issuer_is_who_its_tokens_say_byte_for_byte(
    page: Page, verdict_: tuple[str, str | None]
) -> None:
    found = examine_discovery(page, identity=OIDC, token=a_token(), store=SEAWEEDFS)
    assert verdict(found) == verdict_


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:8080/shutdown",
        "https://localhost/keys",
        "http://[::1]/keys",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/latest/meta-data/",
        "https://10.0.0.1/keys",
        "https://[fd00:ec2::254]/keys",
    ],
)
def test_an_issuer_out_there_leads_nobody_to_what_is_in_here(uri: str) -> None:
    """One in here may, but not to a cloud's metadata service."""
    page = a_page({**DOCUMENT, "jwks_uri": uri})
    assert leads_inward(page, uri)
    found = examine_discovery(page, identity=OIDC, token=a_token(), store=SEAWEEDFS)
    assert verdict(found) == ("failed", "jwks_uri_inward")
    within = replace(page, url="http://127.0.0.1:9000/x")
    assert leads_inward(within, uri) == ("169.254" in uri)


@pytest.mark.parametrize("uri", [DOCUMENT["jwks_uri"], "https://keys.example.net/", "http://["])
def test_keys_may_be_at_another_name(uri: str) -> None:
    assert not leads_inward(a_page(DOCUMENT), uri)


@pytest.mark.parametrize(
    ("identity", "token", "named", "verdict_"),
    [
        (OIDC, None, "https://other.example.com", ("failed", "issuer_mismatch")),
        # A broker may sign as another than the address where it is reached.
        (BROKER, None, "https://other.example.com", ("ok", None)),
        (BROKER, a_token(), "https://other.example.com", ("failed", "issuer_mismatch")),
        (OIDC, a_token(iss="https://other.example.com"), ISSUER, ("failed", "issuer_mismatch")),
    ],
)
def test_without_a_token_the_configuration_counts(
    identity: Identity,
    token: WebIdentityToken | None,
    named: str,
    verdict_: tuple[str, str | None],
) -> None:
    page = a_page({**DOCUMENT, "issuer": named})
    found = examine_discovery(page, identity=identity, token=token, store=SEAWEEDFS)
    assert verdict(found) == verdict_


@pytest.mark.parametrize(
    "issuer",
    ["http://127.0.0.1:8080", "https://localhost", "https://10.0.0.5", "https://broker"],
)
def test_aws_cannot_reach_an_issuer_of_this_network(issuer: str) -> None:
    """Another store, which is beside it, can."""
    page, token = a_page({**DOCUMENT, "issuer": issuer}), a_token(iss=issuer)
    on_aws = examine_discovery(page, identity=BROKER, token=token, store=AWS)
    assert verdict(on_aws) == ("failed", "issuer_not_public")
    beside = examine_discovery(page, identity=BROKER, token=token, store=CEPH)
    assert beside.code is None


def test_an_issuer_that_only_the_store_has_to_reach_may_be_out_of_reach() -> None:
    """As that of a cluster's service accounts may be."""
    found = examine_discovery(no_page(), identity=FILE, token=a_token(), store=CEPH)
    assert verdict(found) == ("warning", "discovery_unreachable")


def test_a_hostile_document_is_not_repeated() -> None:
    """Somebody else's words reach terminals in one line, without what terminals obey."""
    page = a_page({**DOCUMENT, "issuer": "\x1b[2J" + "x" * 5000})
    found = examine_discovery(page, identity=OIDC, token=a_token(), store=CEPH)
    assert found.message.isprintable()
    assert len(found.message) < 500


# the keys

RSA = {"kty": "RSA", "kid": KID, "n": "AQAB", "e": "AQAB"}
CERTIFIED = public_key(x5c=["MIIB"])


@pytest.mark.parametrize(
    ("keys", "verdict_"),
    [
        ([public_key()], ("ok", None)),
        ([public_key("other", kid="other"), public_key()], ("ok", None)),
        ([public_key(alg=None, use=None)], ("ok", None)),
        ([], ("failed", "keys_empty")),
        ([public_key(kid="other")], ("failed", "kid_unknown")),
        ([public_key("other")], ("failed", "signature_mismatch")),
        ([RSA], ("failed", "key_type_mismatch")),
        ([public_key(alg="ES384")], ("failed", "key_type_mismatch")),
        ([public_key(use="enc")], ("failed", "key_type_mismatch")),
        ([public_key(x="!!")], ("failed", "signature_mismatch")),
        (["nonsense", public_key()], ("ok", None)),
    ],
)
def test_the_key_that_signed_has_to_be_published(
    keys: list[Any], verdict_: tuple[str, str | None]
) -> None:
    found = examine_keys(a_page({"keys": keys}), token=a_token(), store=SEAWEEDFS)
    assert verdict(found) == verdict_


@pytest.mark.parametrize(
    ("keys", "verdict_"),
    [
        ([CERTIFIED], ("ok", None)),
        ([public_key()], ("failed", "x5c_missing")),
        ([public_key(x5c=[])], ("failed", "x5c_missing")),
        ([public_key("other", kid="other", x5c=["MIIB"]), CERTIFIED], ("failed", "key_not_first")),
    ],
)
def test_ceph_reads_the_first_certificate_alone(
    keys: list[Any], verdict_: tuple[str, str | None]
) -> None:
    """Others read the keys themselves."""
    page = a_page({"keys": keys})
    assert verdict(examine_keys(page, token=a_token(), store=CEPH)) == verdict_
    assert examine_keys(page, token=a_token(), store=SEAWEEDFS).code is None


@pytest.mark.parametrize(
    ("page", "verdict_"),
    [
        (no_page(), ("warning", "keys_unreachable")),
        (a_page(b"", status=404), ("failed", "keys_malformed")),
        (a_page(b"<html>"), ("failed", "keys_malformed")),
        (a_page({"keys": 5}), ("failed", "keys_malformed")),
    ],
)
def test_what_is_no_key_set_is_none(page: Page, verdict_: tuple[str, str | None]) -> None:
    assert verdict(examine_keys(page, token=a_token(), store=SEAWEEDFS)) == verdict_


@pytest.mark.parametrize(("store", "code"), [(SEAWEEDFS, None), (CEPH, "x5c_missing")])
def test_keys_can_be_looked_at_without_a_token(store: StoreKind, code: str | None) -> None:
    assert examine_keys(a_page({"keys": [public_key()]}), token=None, store=store).code == code


def test_a_token_without_a_kid_finds_its_key_by_trying() -> None:
    """As stores do that need none."""
    page = a_page({"keys": [public_key("other", kid="b"), public_key(kid="a")]})
    assert examine_keys(page, token=a_token(header={}), store=AWS).code is None
