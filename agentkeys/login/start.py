"""Begins the logins that a person finishes elsewhere: in their mail, or at a provider."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from agentkeys.broker import BrokerClient
from agentkeys.errors import LoginFailed
from agentkeys.login.polling import PendingLogin, parse_pending

__all__ = ["start_email_login", "start_oauth2_login"]


async def start_email_login(broker: BrokerClient, email: str) -> PendingLogin:
    """Has the broker mail a link. Raises LoginFailed, BrokerRefused (rate limits too)."""
    if "@" not in email or not email.isprintable():
        raise LoginFailed(f"{email!r} is not an e-mail address", hint="write name@example.com")
    answer = await broker.call("POST", "/v1/auth/email/request", body={"email": email})
    return parse_pending("email", answer)


async def start_oauth2_login(broker: BrokerClient, provider: str = "google") -> PendingLogin:
    """Gets the address where the person logs in. Raises LoginFailed, BrokerRefused."""
    answer = await broker.call("POST", "/v1/auth/oauth2/start", body={"provider": provider})
    pending = parse_pending("oauth2", answer)
    url = answer.get("authorization_url")
    if not isinstance(url, str) or not url.isprintable() or not _is_web_address(url):
        raise LoginFailed("the broker gave no address to log in at", hint="try again")
    return replace(pending, authorization_url=url)


def _is_web_address(url: str) -> bool:
    # It is opened in a browser: a file: or javascript: address from a broken broker must not be.
    return urlsplit(url).scheme in ("http", "https")
