"""Where the daemon's socket lies: one answer for the daemon, the command line and the shim.

The fast paths pay for every import, so this module keeps to `posix`, which is always loaded.
"""

from __future__ import annotations

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentkeys.errors import ConfigError

__all__ = ["MAX_SOCKET_PATH", "socket_path", "state_folder"]

# sizeof(sockaddr_un.sun_path) less the closing NUL.
MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107


def socket_path(environ: Mapping[str, str], uid: int) -> str:
    """The absolute path of user `uid`'s daemon socket, whether or not anything listens there.

    Never chosen under /tmp, where any user could have put one first. Raises ConfigError when the
    path does not fit into a socket address or is relative.
    """
    path = environ.get("AGENTKEYS_SOCKET") or _default(environ, uid)
    if not path.startswith("/"):
        raise _unusable(
            f"the socket path {path!r} is relative", "set AGENTKEYS_SOCKET to an absolute path"
        )
    if len(path.encode(sys.getfilesystemencoding(), "surrogateescape")) > MAX_SOCKET_PATH:
        raise _unusable(
            f"the socket path {path} is longer than {MAX_SOCKET_PATH} bytes",
            "set AGENTKEYS_SOCKET to a shorter path in a folder of your own",
        )
    return path


def state_folder(environ: Mapping[str, str], uid: int) -> str:
    """The absolute path of the state folder: ledger, logs, sandbox and run files.

    Raises ConfigError for a user without a home.
    """
    chosen = environ.get("AGENTKEYS_STATE_DIR")
    if chosen:
        return chosen if chosen.startswith("/") else f"{posix.getcwd()}/{chosen}"
    if sys.platform == "darwin":
        return f"{_home(environ, uid)}/Library/Application Support/agentkeys"
    base = environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):  # as the XDG specification has it
        base = f"{_home(environ, uid)}/.local/state"
    return f"{base}/agentkeys"


def _default(environ: Mapping[str, str], uid: int) -> str:
    runtime = environ.get("XDG_RUNTIME_DIR") or ""
    # The XDG specification has a relative one ignored; in /tmp anybody could have been first.
    if runtime.startswith("/") and not f"{runtime}/".startswith("/tmp/"):  # noqa: S108
        return f"{runtime}/agentkeys/daemon.sock"
    if _is_folder_of(f"/run/user/{uid}", uid):
        return f"/run/user/{uid}/agentkeys/daemon.sock"
    return f"{state_folder(environ, uid)}/run/daemon.sock"


def _is_folder_of(path: str, uid: int) -> bool:
    try:
        found = posix.lstat(path)
    except OSError:
        return False
    return found.st_uid == uid and found.st_mode & 0o170000 == 0o040000


def _home(environ: Mapping[str, str], uid: int) -> str:
    home = environ.get("HOME")
    if home:
        return home
    # Rare, and only here does the user database have to be asked.
    import pwd  # noqa: PLC0415

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        raise _unusable(
            f"user {uid} has no home folder", "set HOME, or AGENTKEYS_STATE_DIR"
        ) from None


def _unusable(message: str, hint: str) -> ConfigError:
    # A path that is in order must not pay for importing the whole tree of errors.
    from agentkeys.errors import ConfigError  # noqa: PLC0415

    return ConfigError(message, hint=hint)
