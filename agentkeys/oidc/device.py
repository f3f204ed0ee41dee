"""Logins on another device (RFC 8628): what the issuer answers to the first request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from agentkeys.errors import IssuerInvalid
from agentkeys.secret import Secret

__all__ = ["DeviceCode", "parse_device_code"]

DEFAULT_INTERVAL = 5
SLOWEST = 60


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A login that a person finishes at `verification_uri`, wherever they have a browser."""

    device_code: Secret
    user_code: str
    """What the person types there."""
    verification_uri: str
    complete_uri: str | None
    """The same with the code in it."""
    lifetime: timedelta
    interval: float
    """Seconds between two polls."""


def parse_device_code(document: Mapping[str, Any], *, issuer: str) -> DeviceCode:
    """Raises IssuerInvalid for what a person could not, or must not, go on with."""
    device_code, user_code = document.get("device_code"), document.get("user_code")
    if not isinstance(device_code, str) or not device_code:
        raise _unusable(issuer, "no device code")
    if not isinstance(user_code, str) or not user_code.isprintable() or not 0 < len(user_code) < 65:
        raise _unusable(issuer, "no code that could be typed")
    complete = document.get("verification_uri_complete")
    return DeviceCode(
        device_code=Secret(device_code),
        user_code=user_code,
        verification_uri=_web_address(document.get("verification_uri"), issuer),
        complete_uri=None if complete is None else _web_address(complete, issuer),
        lifetime=timedelta(seconds=_seconds(document.get("expires_in"), 0, 86_400, issuer)),
        interval=_seconds(document.get("interval"), DEFAULT_INTERVAL, SLOWEST, issuer),
    )


def _web_address(url: object, issuer: str) -> str:
    # People follow it: neither another scheme nor a sequence that their terminal obeys.
    if isinstance(url, str) and url.isascii() and url.isprintable() and len(url) <= 2048:
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme in ("http", "https") and parts.hostname:
            return url
    raise _unusable(issuer, "no address to log in at")


def _seconds(value: object, default: int, most: int, issuer: str) -> int:
    seconds = default if value is None else value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        raise _unusable(issuer, "times that make no sense")
    return min(seconds, most)


def _unusable(issuer: str, what: str) -> IssuerInvalid:
    return IssuerInvalid(
        f"the issuer {issuer} began a login with {what}", hint='set flow = "browser", or try again'
    )
