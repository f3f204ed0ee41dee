"""The words that clients and the daemon use on the socket: HTTP/1.1 and JSON, version 1.

    GET    /v1/health                         versions, pid, how it is
    GET    /v1/status                         sessions, leases, last errors; no network, no keyring
    GET    /v1/profiles                       what is configured
    GET    /v1/profiles/NAME/credentials      the credential_process document
    GET    /v1/profiles/NAME/environment      the variables a program needs, as env -0 prints them
    GET    /v1/profiles/NAME/status           the part of the status that concerns it
    GET    /v1/profiles/NAME/prompt           of that what a prompt shows: name, who, seconds, state
    POST   /v1/profiles/NAME/runs             begin a run: its variables, in the same form; asked
                                              with {"program", "refresh", "allow", "read_only"},
                                              {"explain"} where none is to begin, and with
                                              {"break_glass", "reason"} by who breaks the glass
    POST   /v1/profiles/NAME/refresh          have a lease with {"min_ttl_seconds"} left; its status
    DELETE /v1/profiles/NAME/leases           forget its lease
    DELETE /v1/leases                         forget all leases, keep the sessions
    GET    /v1/runs                           the programs that run with credentials
    DELETE /v1/runs/ID                        take a program's credentials away
    GET    /v1/identities/NAME                who is logged in
    GET    /v1/identities/NAME/status         the part of the status that concerns it
    PUT    /v1/identities/NAME/session        keep a login: {"session_jwt", "url", "device"} of a
                                              broker, {"oidc"} of an issuer
    DELETE /v1/identities/NAME/session        forget it and its leases
    POST   /v1/restart                        begin anew in {"environment"}; sockets and runs stay
    POST   /v1/shutdown                       end the daemon, with {"force"} also while programs run

`@default` stands for the default profile and, in a path of identities, for that profile's identity.
A refusal is {"error": {"code", "message", "hint", "retryable"}} with a 4xx or 5xx status.

Imported by the fast paths, so it imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROTOCOL_VERSION = 1
PROTOCOL_HEADER = "agentkeys-protocol"
SETTINGS_HEADER = "agentkeys-settings"
REGION_HEADER = "agentkeys-region"
TOKEN_FILE_HEADER = "agentkeys-token-file"  # noqa: S105 - a header's name
"""The client's AWS_WEB_IDENTITY_TOKEN_FILE, for identities that take their tokens from there."""
GITHUB_HEADER = "agentkeys-github"
"""What a job of GitHub Actions fetches tokens with: URL and bearer, both percent-encoded."""
TERMINAL_HEADER = "agentkeys-terminal"
"""Sent where a person reads standard error, with any value."""
NOTICE_HEADER = "agentkeys-notice"
"""Answered to that, once: a message and a hint for the person, a line each, percent-encoded."""
DEFAULT = "@default"
OF_PROFILE = "@profile:"
"""Before a profile's name, in a path of identities: the identity of that profile."""

CLIENT_DEADLINE = 25.0
"""Seconds after which a client gives up, whatever the daemon does."""

SETTINGS = (
    "AGENTKEYS_CONFIG",
    "AGENTKEYS_STATE_DIR",
    "AGENTKEYS_VAULT",
    "AGENTKEYS_BROKER_URL",
    "AGENTKEYS_DATA_ROLE_ARN",
)
"""What a client's environment may set and a daemon must have been started with as well."""

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:@+,")


def quote(text: str) -> str:
    """`text` percent-encoded into one header or path token; `urllib.parse.unquote` undoes it."""
    return "".join(
        chr(byte) if byte in _SAFE else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )


def quote_name(name: str) -> str:
    """A profile's or identity's name as one part of a path; one longer than any is cut."""
    return quote(name[:256]).replace("/", "%2F")


def region_header(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The client's AWS_REGION, which counts where the configuration names none."""
    region = environ.get("AWS_REGION")
    return ((REGION_HEADER, quote(region[:64])),) if region else ()


def handed_headers(environ: Mapping[str, str], cwd: Callable[[], str]) -> list[tuple[str, str]]:
    """What a client's environment has to fetch tokens with, for the daemon, which has none of it.

    Source: AWS's and GitHub's documentation of these variables.
    """
    headers = []
    file = environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    # What is wrong is sent too, or the daemon would go on with what somebody else has sent.
    if file:
        path = file if file.startswith("/") else f"{cwd()}/{file}"
        headers.append((TOKEN_FILE_HEADER, quote(path[:_TOO_LONG_PATH])))
    url = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    bearer = environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    if url or bearer:
        if len(url) + len(bearer) > _LONGEST_BEARER:
            url = bearer = ""  # that of no job
        headers.append((GITHUB_HEADER, f"{quote(url)} {quote(bearer)}"))
    return headers


_TOO_LONG_PATH = 4097
"""No system opens a path of so many bytes."""
_LONGEST_BEARER = 8192


def settings_of(environ: Mapping[str, str], cwd: Callable[[], str]) -> dict[str, str]:
    """The settings in `environ`, relative paths taken from `cwd()`: what a daemon is started with.

    Paths stay as they were written otherwise, so that both sides compare the same text.
    """
    settings = {}
    for name in SETTINGS:
        value = environ.get(name)
        if value:
            relative = name in _PATHS and not value.startswith("/")
            settings[name] = f"{cwd()}/{value}" if relative else value
    return settings


_PATHS = ("AGENTKEYS_CONFIG", "AGENTKEYS_STATE_DIR")


def settings_token(environ: Mapping[str, str], cwd: Callable[[], str]) -> str:
    """The same as one header value."""
    return "&".join(f"{name}={quote(value)}" for name, value in settings_of(environ, cwd).items())
