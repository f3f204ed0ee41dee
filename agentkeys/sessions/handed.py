"""What a client's environment has to fetch tokens with, handed over to the daemon.

The daemon's own environment is a cleaned one, and it may have been started before any of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agentkeys.secret import Secret

__all__ = ["GithubSession", "TokenFileSession"]


@dataclass(frozen=True, slots=True)
class GithubSession:
    """A job of GitHub Actions, while it runs.

    Source: GitHub's documentation of OpenID Connect, ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN.
    """

    request_url: str
    request_token: Secret

    kind = "github"
    subject = None
    wallet = None
    omni = None
    expires_at = None
    fingerprint = None

    @property
    def url(self) -> str:
        return self.request_url

    @property
    def owner(self) -> str:
        """Nobody else than this one job."""
        return f"{self.request_url} {self.request_token.fingerprint()}"

    def is_over(self, now: datetime) -> bool:
        return False

    def to_document(self) -> dict[str, Any]:
        return {"request_url": self.request_url, "request_token": self.request_token.reveal()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> GithubSession:
        return cls(str(document["request_url"]), Secret(str(document["request_token"])))


@dataclass(frozen=True, slots=True)
class TokenFileSession:
    """Where AWS_WEB_IDENTITY_TOKEN_FILE says that tokens are; whose, only they tell."""

    path: Path

    kind = "file"
    url = None
    subject = None
    wallet = None
    omni = None
    expires_at = None
    fingerprint = None

    @property
    def owner(self) -> str:
        return str(self.path)

    def is_over(self, now: datetime) -> bool:
        return False

    def to_document(self) -> dict[str, Any]:
        return {"path": str(self.path)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> TokenFileSession:
        return cls(Path(str(document["path"])))
