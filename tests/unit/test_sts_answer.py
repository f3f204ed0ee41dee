"""Credentials from an STS, and everything that looks like them and is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import AgentkeysError, StsAnswerInvalid, StsBusy
from agentkeys.models import AssumedRole, RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import AWS, CEPH, STORE_KINDS, StoreKind
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.request import AssumeRoleRequest
from tests.fakes.sts import NAMESPACE, refusal_body, success_body
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.sts_samples import sts_sample

REQUEST = AssumeRoleRequest(
    role_arn=RoleArn.parse("arn:aws:iam::111122223333:role/data"),
    role_session_name="agentkeys-run",
    token=Secret("header.payload.signature"),
)
GOOD = {
    "AccessKeyId": "ASIAEXAMPLE",
    "SecretAccessKey": "very-secret",
    "SessionToken": "session",
    "Expiration": "2026-06-01T13:00:00Z",
}


def parse(
    body: bytes,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    store: StoreKind = AWS,
    now: datetime = SAMPLE_NOW,
) -> AssumedRole:
    return parse_answer(status, headers or {}, body, store=store, request=REQUEST, now=now)


def answer(*, inside: str = "", **fields: str | None) -> bytes:
    credentials = "".join(
        f"<{name}>{text}</{name}>" for name, text in (GOOD | fields).items() if text is not None
    )
    return (
        f"<AssumeRoleWithWebIdentityResponse{NAMESPACE}><AssumeRoleWithWebIdentityResult>"
        f"<Credentials>{credentials}</Credentials>{inside}"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    ).encode()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("store", "key_id", "expires_at"),
    [
        ("aws", "ASIAEXAMPLEKEYID0000", datetime(2026, 6, 1, 13, tzinfo=UTC)),
        ("minio", "Y4RJU1RNFGK48LGO9I2S", datetime(2026, 6, 1, 13, tzinfo=UTC)),
        ("ceph", "7b6JtWkqvyX2qAcrB3G", datetime(2026, 11, 22, 5, 43, 28, 715822, tzinfo=UTC)),
        ("seaweedfs", "ASIA9bf46de71d181198", datetime(2026, 11, 22, 5, 47, 34, tzinfo=UTC)),
    ],
)
def test_every_store_s_credentials_are_read(store: str, key_id: str, expires_at: datetime) -> None:
    """With a namespace or without, and with any number of fraction digits."""
    credentials = parse(sts_sample(f"{store}.200"), store=STORE_KINDS[store]).credentials
    assert (credentials.access_key_id, credentials.expires_at) == (key_id, expires_at)


@pytest.mark.parametrize(
    ("store", "subject", "request_id", "percent"),
    [
        (
            "aws",
            "agentkeys:agent:0x00000000000000000000000000000000000000aa",
            "00000000-1111-2222-3333-444444444444",
            12,
        ),
        ("minio", "agentkeys:agent:0xaa", "17DF27C6B2A80001", None),
        ("ceph", "agentkeys:agent:0xaaa", None, 0),
        ("seaweedfs", "agentkeys:agent:0xaaa", "18EA449FBC58B224533E9328", None),
    ],
)
def test_what_else_a_store_says_is_kept(
    store: str, subject: str, request_id: str | None, percent: int | None
) -> None:
    """Whom it saw, which request it was, how full the session's policy is: where it says so."""
    role = parse(sts_sample(f"{store}.200"), store=STORE_KINDS[store])
    assert (role.subject, role.request_id, role.packed_policy_percent) == (
        subject,
        request_id,
        percent,
    )


def test_secrets_are_read_whole_and_do_not_print() -> None:
    """Symbols survive, and neither repr nor str gives them away."""
    role = parse(sts_sample("aws.200"))
    assert role.credentials.session_token.reveal() == "EXAMPLESESSIONTOKEN+with/symbols=="
    secret = "exampleSecretAccessKey0000000000000000EX"
    assert role.credentials.secret_access_key.reveal() == secret
    assert secret not in repr(role)
    assert "EXAMPLESESSIONTOKEN" not in repr(role)


def test_a_request_id_may_come_in_a_header() -> None:
    """Where the document does not name the request, a header of the store's may."""
    role = parse(answer(), headers={"x-amz-request-id": "18EA4C6E0EDA6061FB716C6E"})
    assert role.request_id == "18EA4C6E0EDA6061FB716C6E"


def test_an_odd_request_id_is_dropped() -> None:
    """It goes into a ledger, and is not worth a refusal."""
    assert parse(answer(), headers={"x-amz-request-id": "a\tb"}).request_id is None


def test_a_name_that_repeats_a_secret_is_dropped() -> None:
    """Request id and subject go into a ledger: what a store has been sent or gives does not."""
    secret, long = GOOD["SecretAccessKey"], "session-token-of-some-length"
    inside = "<SubjectFromWebIdentityToken>the-signature-it-was</SubjectFromWebIdentityToken>"
    for repeated in ("signature", secret, long, long[3:17], long.encode().hex()):
        body = answer(inside=inside, SessionToken=long)
        role = parse(body, headers={"x-amz-request-id": f"id-{repeated}"})
        assert (role.request_id, role.subject) == (None, None), repeated


@pytest.mark.parametrize("key", ["signature", "Xsignature0", "7369676e6174757265"])
def test_an_access_key_that_repeats_the_token_is_none(key: str) -> None:
    """Access keys are shown and written down."""
    with pytest.raises(StsAnswerInvalid, match="without a usable AccessKeyId"):
        parse(answer(AccessKeyId=key))


def test_a_code_that_repeats_the_token_is_none() -> None:
    """It would be in the message."""
    body = refusal_body("aws", "signature")
    with pytest.raises(StsAnswerInvalid, match="without a usable Code"):
        parse(body, status=403)


def test_what_ceph_answers_to_a_get_is_no_success() -> None:
    """Status 200 and well-formed XML do not make credentials."""
    with pytest.raises(StsAnswerInvalid, match="of another kind"):
        parse(sts_sample("ceph.200.not-an-sts-answer"), store=CEPH)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    "text",
    [None, "", " ", "a b", "line&#13;&#10;break", "tab&#9;", "n&#160;bsp", "x" * 40_000, "<b/>"],
)
def test_a_field_that_is_missing_or_odd_is_refused(name: str, text: str | None) -> None:
    """Half a set of credentials is none, and a line break could forge a header."""
    fields: dict[str, Any] = {name: text}
    with pytest.raises(StsAnswerInvalid):
        parse(answer(**fields))


def test_a_field_that_comes_twice_is_refused() -> None:
    """Readers that take the first and readers that take the last would disagree."""
    doubled = answer().replace(b"</Credentials>", b"<AccessKeyId>OTHER</AccessKeyId></Credentials>")
    with pytest.raises(StsAnswerInvalid, match="more than one AccessKeyId"):
        parse(doubled)


@pytest.mark.parametrize(
    "expiration",
    [
        "soon",
        "1780315200",
        "2026-06-01T13:00:00",
        "2026-13-01T13:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_an_expiration_that_is_no_time_is_refused(expiration: str) -> None:
    """A time without a zone is none."""
    with pytest.raises(StsAnswerInvalid, match="Expiration"):
        parse(answer(Expiration=expiration))


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=1)])
def test_credentials_that_have_expired_are_refused(late: timedelta) -> None:
    """Nobody should be handed what no longer works; the clocks are the likely reason."""
    with pytest.raises(StsAnswerInvalid, match="expired at 2026-06-01T13:00:00Z") as refusal:
        parse(answer(), now=datetime(2026, 6, 1, 13, tzinfo=UTC) + late)
    assert "clock" in refusal.value.hint


@pytest.mark.parametrize(
    "inside",
    [
        "<PackedPolicySize>much</PackedPolicySize>",
        "<PackedPolicySize>-1</PackedPolicySize>",
        "<PackedPolicySize>9999999</PackedPolicySize>",
        "<SubjectFromWebIdentityToken>a&#10;b</SubjectFromWebIdentityToken>",
        f"<SubjectFromWebIdentityToken>{'a' * 2049}</SubjectFromWebIdentityToken>",
        "<Credentials/>",
    ],
)
def test_extras_of_a_wrong_type_are_refused(inside: str) -> None:
    """An answer is right as a whole or not at all."""
    with pytest.raises(StsAnswerInvalid):
        parse(answer(inside=inside))


@pytest.mark.parametrize("missing", [b"AssumeRoleWithWebIdentityResult", b"Credentials"])
def test_an_answer_without_its_parts_is_refused(missing: bytes) -> None:
    """The message names what is not there."""
    with pytest.raises(StsAnswerInvalid, match=f"without {missing.decode()}"):
        parse(answer().replace(missing + b">", b"Else>"))


def test_another_namespace_is_another_document() -> None:
    """Only the namespace of STS counts, or none."""
    with pytest.raises(StsAnswerInvalid, match="of another kind"):
        parse(answer().replace(b"sts.amazonaws.com", b"sts.example.com"))


LAUGHS = b"""<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("declaration", [LAUGHS, OUTSIDE, b"<!DOCTYPE x>"])
def test_a_document_type_declaration_is_refused_unread(declaration: bytes) -> None:
    """Entities that grow or read files need one, and no STS sends one."""
    with pytest.raises(StsAnswerInvalid, match="document type declaration"):
        parse(declaration + answer())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"])
def test_another_encoding_does_not_smuggle_a_declaration_in(encoding: str) -> None:
    """The XML parser would recognise UTF-16, in which the declaration looks like no declaration."""
    text = f'<?xml version="1.0" encoding="{encoding[:6]}"?>' + (LAUGHS + answer()).decode()
    with pytest.raises(StsAnswerInvalid):
        parse(text.encode(encoding))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not XML",
        b"<html><body>Sign in</body></html>",
        b"<!doctype html><p>Sign in",
        answer()[:-9],
        b"\xff\xfe\x00",
        b"{}",
        b"<a>" * 30_000,
        answer() + b" " * 131_072,
    ],
)
@pytest.mark.parametrize("status", [200, 201, 400, 403, 404])
def test_what_is_no_sts_answer_is_called_so(body: bytes, status: int) -> None:
    """A captive portal, a proxy's page, half an answer: no credentials and no guess."""
    with pytest.raises(StsAnswerInvalid) as refusal:
        parse(body, status=status)
    assert str(status) in refusal.value.message
    assert not refusal.value.retryable


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_error_page_of_an_overloaded_proxy_is_worth_another_try(status: int) -> None:
    """No code to go by, but the status says that it is not about us."""
    with pytest.raises(StsBusy) as refusal:
        parse(b"<html>Bad Gateway</html>", status=status, headers={"retry-after": "7"})
    assert refusal.value.retry_after == 7


def test_a_redirect_is_told_and_not_followed() -> None:
    """The token was meant for one address."""
    with pytest.raises(StsAnswerInvalid, match="redirect"):
        parse(b"", status=307, headers={"location": "https://elsewhere.example"})


def test_an_error_never_quotes_the_body() -> None:
    """What the parser says of a malformed body can hold a piece of it."""
    with pytest.raises(StsAnswerInvalid) as refusal:
        parse(b"<a>&verysecretvalue;</a>")
    assert not any("verysecret" in repr(error) for error in chain(refusal.value))


@given(body=st.binary(max_size=400), status=st.integers(100, 599))
def test_no_bytes_can_break_the_reader(body: bytes, status: int) -> None:
    """Whatever arrives, it is one of our errors."""
    with pytest.raises(AgentkeysError):
        parse(body, status=status)


@given(data=st.data(), store=st.sampled_from(sorted(STORE_KINDS)))
def test_no_damage_to_an_answer_can_break_the_reader(data: st.DataObject, store: str) -> None:
    """A good answer with a piece replaced is read or refused, and never anything else."""
    body = success_body(store, number=1, expires_at=SAMPLE_NOW + timedelta(hours=1))
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    piece = data.draw(
        st.one_of(st.binary(max_size=20), st.text(max_size=20).map(lambda text: text.encode()))
    )
    try:
        role = parse(body[:start] + piece + body[end:], store=STORE_KINDS[store])
    except AgentkeysError:
        return
    assert role.credentials.expires_at > SAMPLE_NOW
