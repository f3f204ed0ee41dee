"""Why no answer came, in words that repeat nothing of what was sent."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from agentkeys.errors import AgentkeysError

__all__ = ["TransportError", "explain"]


class TransportError(AgentkeysError):
    """No answer was had; the message names the host and what happened."""

    code = "transport_error"
    retryable = True


_CAUSES: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "the certificate of {where} was not accepted{why}",
        "check this machine's clock, and ca_file or SSL_CERT_FILE where the host has a private"
        " authority",
    ),
    (ssl.SSLError, "TLS with {where} failed", "see whether https:// is right for this address"),
    (socket.gaierror, "the name of {where} was not found", "check the URL and the network"),
    (UnicodeError, "the name of {where} is no host name", "check the URL"),
    (ConnectionRefusedError, "nothing answers at {where}", "see whether the service is running"),
)


def explain(error: BaseException, where: str) -> TransportError:
    """What `error`, or whatever led to it, means to somebody waiting for an answer of `where`."""
    for cause in _causes(error):
        for kind, words, hint in _CAUSES:
            if isinstance(cause, kind):
                return TransportError(words.format(where=where, why=_why(cause)), hint=hint)
    return TransportError(
        f"the connection to {where} failed",
        hint="ask again; if it stays, see whether the service, the network and the proxy are up",
    )


def _why(cause: BaseException) -> str:
    """What OpenSSL says of a certificate: its own words, and the name that was asked for."""
    said = str(getattr(cause, "verify_message", "")).rstrip(".")
    return f" ({said[0].lower()}{said[1:]})" if said else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The libraries below wrap the system's error several times, a failed race in a group."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _causes(member)
    if below := error.__cause__ or error.__context__:
        yield from _causes(below)
