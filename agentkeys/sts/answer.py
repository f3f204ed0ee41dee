"""Reads what an STS answered: credentials, a refusal, or something that is neither."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from agentkeys.clock import format_utc, parse_utc
from agentkeys.errors import StsAnswerInvalid, StsBusy, StsError
from agentkeys.http_dates import retry_after
from agentkeys.models import AssumedRole, TemporaryCredentials
from agentkeys.quoting import repeats
from agentkeys.secret import Secret
from agentkeys.stores import StoreKind
from agentkeys.sts.document import (
    STS_NAMESPACE,
    MalformedDocument,
    only_child,
    parse_document,
    text_of,
)
from agentkeys.sts.refusals import Audiences, Refusal, refused, token_parts
from agentkeys.sts.request import AssumeRoleRequest

__all__ = ["parse_answer"]

_ELSEWHERE = (
    "see whether the STS endpoint (sts_endpoint) is the store's; a proxy or a web page may answer"
    " there"
)

# What reaches a signature, an environment or a file must not hold a space or a line break. AWS
# promises no limit for session tokens; this one is ten times the longest seen.
_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,128}")
_SECRET = re.compile(r"[\x21-\x7e]{1,256}")
_SESSION_TOKEN = re.compile(r"[\x21-\x7e]{1,32768}")
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:/=+-]{1,128}")


def parse_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    store: StoreKind,
    now: datetime,
    request: AssumeRoleRequest | None = None,
    audiences: Audiences | None = None,
) -> AssumedRole:
    """The credentials in an answer; header names are lower case.

    `request`, the one that it answers, and `audiences` only make messages and hints better.
    Raises StsTokenRefused, StsBusy or StsRefused for a refusal, by the meaning its code has at
    this kind of store, and StsAnswerInvalid for whatever is no answer of an STS, credentials that
    have expired by `now` included. Nothing of the body is in an error but code, request id and a
    cleaned line of the store's words.
    """
    try:
        root = parse_document(body)
        if status == 200:
            return _discreet_role(_assumed_role(root, headers, now), request)
        refusal = _discreet_refusal(_refusal(root, status, headers, now), request)
    except MalformedDocument as problem:
        raise _no_answer(status, headers, now, str(problem)) from None
    raise refused(refusal, store=store, request=request, audiences=audiences)


def _assumed_role(root: ET.Element, headers: Mapping[str, str], now: datetime) -> AssumedRole:
    if root.tag.removeprefix(STS_NAMESPACE) != "AssumeRoleWithWebIdentityResponse":
        raise MalformedDocument("of another kind")
    result = _child(root, "AssumeRoleWithWebIdentityResult")
    subject = text_of(result, "SubjectFromWebIdentityToken")
    if subject is not None and not subject.isprintable():
        raise MalformedDocument("with a SubjectFromWebIdentityToken of odd characters")
    return AssumedRole(
        credentials=_credentials(_child(result, "Credentials"), now),
        request_id=_request_id(only_child(root, "ResponseMetadata"), headers),
        subject=subject,
        packed_policy_percent=_percent(result),
    )


def _discreet_role(role: AssumedRole, request: AssumeRoleRequest | None) -> AssumedRole:
    """Without what would have one of the secrets written down as a name of something."""
    token, own = token_parts(request), role.credentials
    if repeats(own.access_key_id, token):
        raise MalformedDocument("without a usable AccessKeyId")
    secrets = (*token, own.secret_access_key.reveal(), own.session_token.reveal())
    return replace(
        role,
        request_id=None if repeats(role.request_id, secrets) else role.request_id,
        subject=None if repeats(role.subject, token) else role.subject,
    )


def _discreet_refusal(refusal: Refusal, request: AssumeRoleRequest | None) -> Refusal:
    token = token_parts(request)
    if repeats(refusal.code, token):
        raise MalformedDocument("without a usable Code")
    return replace(
        refusal, request_id=None if repeats(refusal.request_id, token) else refusal.request_id
    )


def _credentials(found: ET.Element, now: datetime) -> TemporaryCredentials:
    try:
        expires_at = parse_utc(text_of(found, "Expiration", limit=64) or "")
    except (ValueError, OverflowError):
        raise MalformedDocument("without a usable Expiration") from None
    if expires_at <= now:
        raise StsAnswerInvalid(
            f"STS gave credentials that expired at {format_utc(expires_at)}",
            hint="compare this machine's clock with the store's",
        )
    return TemporaryCredentials(
        access_key_id=_field(found, "AccessKeyId", _KEY_ID),
        secret_access_key=Secret(_field(found, "SecretAccessKey", _SECRET)),
        session_token=Secret(_field(found, "SessionToken", _SESSION_TOKEN)),
        expires_at=expires_at,
    )


def _field(found: ET.Element, name: str, pattern: re.Pattern[str]) -> str:
    text = text_of(found, name, limit=32_768) or ""
    if not pattern.fullmatch(text):
        raise MalformedDocument(f"without a usable {name}")
    return text


def _child(parent: ET.Element, name: str) -> ET.Element:
    child = only_child(parent, name)
    if child is None:
        raise MalformedDocument(f"without {name}")
    return child


def _percent(result: ET.Element) -> int | None:
    text = text_of(result, "PackedPolicySize", limit=6)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise MalformedDocument("with a PackedPolicySize that is no number")
    return int(text)


def _refusal(root: ET.Element, status: int, headers: Mapping[str, str], now: datetime) -> Refusal:
    """From `<ErrorResponse><Error>…`, or the bare `<Error>` of S3."""
    within = (
        _child(root, "Error") if root.tag.removeprefix(STS_NAMESPACE) == "ErrorResponse" else root
    )
    if within.tag.removeprefix(STS_NAMESPACE) != "Error":
        raise MalformedDocument("of another kind")
    code = text_of(within, "Code") or ""
    if not _CODE.fullmatch(code):
        raise MalformedDocument("without a usable Code")
    return Refusal(
        status=status,
        code=code,
        message=text_of(within, "Message", limit=65_536) or "",
        request_id=_request_id(root, headers),
        retry_after=retry_after(headers, now),
    )


def _request_id(within: ET.Element | None, headers: Mapping[str, str]) -> str | None:
    """From the document, else from a header; nothing rather than something odd."""
    told = (
        None if within is None else text_of(within, "RequestId"),
        headers.get("x-amzn-requestid"),
        headers.get("x-amz-request-id"),
    )
    return next((text for text in told if text and _REQUEST_ID.fullmatch(text)), None)


def _no_answer(status: int, headers: Mapping[str, str], now: datetime, problem: str) -> StsError:
    if status == 429 or status >= 500:
        return StsBusy(
            f"STS cannot be used now (status {status})",
            hint="wait a moment and ask again",
            retry_after=retry_after(headers, now),
        )
    if 300 <= status < 400:
        return StsAnswerInvalid(
            f"STS answered with a redirect (status {status})",
            hint="redirects are not followed: set the STS endpoint (sts_endpoint) to where this one"
            " leads",
        )
    return StsAnswerInvalid(
        f"STS answered with status {status} and a document {problem}", hint=_ELSEWHERE
    )
