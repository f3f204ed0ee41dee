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
    """Every such thing that was sent; `headers` by their lower-case names.

    What nothing can be fetched with counts as well: whoever sends that is told so, and gets nothing
    that was made with what another client has sent.
    """
    path = headers.get(TOKEN_FILE_HEADER)
    if path is not None:
        yield TokenFileSession(Path("/", unquote(path, errors="surrogateescape")))
    job = headers.get(GITHUB_HEADER)
    if job is not None:
        url, _, bearer = job.partition(" ")
        yield GithubSession(unquote(url), Secret(unquote(bearer)))
