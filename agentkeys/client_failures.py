"""How asking the daemon fails, each way in its own words."""

from __future__ import annotations

import errno
import json

from agentkeys.errors import (
    AgentkeysError,
    ConfigError,
    DaemonNotRunning,
    DaemonTimeout,
    PeerRefused,
    ProtocolError,
    RemoteError,
)

__all__ = [
    "another_user",
    "broken",
    "folder_gone",
    "not_connected",
    "other_version",
    "refusal",
    "too_late",
    "vanished",
]


def refusal(status: int, body: bytes) -> AgentkeysError:
    """The error that a refused request stands for, as the daemon worded it."""
    try:
        error = json.loads(body)["error"]
        return RemoteError(
            str(error["code"]),
            str(error["message"]),
            hint=str(error["hint"]),
            retryable=bool(error["retryable"]),
        )
    except (ValueError, KeyError, TypeError):
        return ProtocolError(
            f"the daemon answered {status} without saying why",
            hint="run: agentkeys daemon restart",
        )


def not_connected(path: str, problem: OSError) -> AgentkeysError:
    if isinstance(problem, TimeoutError):
        return too_late()
    if problem.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return DaemonNotRunning("no daemon is running", hint="run: agentkeys daemon start")
    if problem.errno in (errno.EACCES, errno.EPERM):
        return PeerRefused(
            f"the socket {path} is not yours to open", hint="set AGENTKEYS_SOCKET to one of yours"
        )
    return DaemonNotRunning(
        f"the socket {path} cannot be used: {problem.strerror}", hint="check AGENTKEYS_SOCKET"
    )


def another_user(path: str) -> AgentkeysError:
    return PeerRefused(
        f"another user answers at {path}", hint="set AGENTKEYS_SOCKET to a path of your own"
    )


def other_version() -> AgentkeysError:
    return ProtocolError(
        "the daemon speaks another version of the protocol", hint="run: agentkeys daemon restart"
    )


def folder_gone() -> AgentkeysError:
    return ConfigError(
        "the current folder is gone, and a setting is relative to it",
        hint="change to another folder, or make AGENTKEYS_CONFIG an absolute path",
    )


def too_late() -> AgentkeysError:
    return DaemonTimeout(
        "the daemon did not answer in time", hint="try again, or run: agentkeys daemon restart"
    )


def vanished() -> AgentkeysError:
    return _passing(
        DaemonNotRunning(
            "the daemon ended before it answered", hint="try again, or see: agentkeys daemon logs"
        )
    )


def broken() -> AgentkeysError:
    return _passing(ProtocolError("the daemon broke off its answer", hint="try again"))


def _passing(problem: AgentkeysError) -> AgentkeysError:
    """Unlike others of its kind, it is gone when one asks again."""
    problem.retryable = True
    return problem
