"""What a client's environment has to fetch tokens with, read from the headers of its request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from agentkeys.protocol import GITHUB_HEADER, TOKEN_FILE_HEADER
from agentkeys.secret import Secret
from agentkeys.sessions import GithubSession, Session, TokenFileSession

__all__ = ["handed_over"]


def handed_over(headers: Mapping[str, str]) -> Iterator[Session]:
    """Every such thing that was sent whole; `headers` by their lower-case names."""
    path = unquote(headers.get(TOKEN_FILE_HEADER, ""), errors="surrogateescape")
    if path.startswith("/") and "\0" not in path:
        yield TokenFileSession(Path(path))
    url, _, bearer = headers.get(GITHUB_HEADER, "").partition(" ")
    if url and bearer:
        yield GithubSession(unquote(url), Secret(unquote(bearer)))
