"""Sessions of the AWS SDKs for Python whose credentials come from the daemon, for days on end.

They are cut off from the surroundings that an SDK otherwise looks at: AWS_PROFILE, keys and
endpoints in the environment, `~/.aws` and the instance metadata service have no say. What cannot
change who a program is stays: AWS_CA_BUNDLE, AWS_RETRY_MODE, AWS_MAX_ATTEMPTS and their like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from agentkeys.clock import SystemClock
from agentkeys.errors import ExtraMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import boto3
    from aiobotocore.session import AioSession

__all__ = ["aiobotocore_session", "boto3_session"]


def boto3_session(
    profile: str | None = None, *, environ: Mapping[str, str] | None = None
) -> boto3.Session:
    """A session of boto3; clients and resources made of it may be kept for as long as wanted.

    The profile is the named one, else that of AGENTKEYS_PROFILE, else the default; `environ` takes
    the place of the process's environment in finding it and the daemon. Clients have the profile's
    region and, where the store is not AWS, its endpoint, whatever their service. Asks the daemon at
    once. Raises the leaves of AgentkeysError, ExtraMissing (an ImportError) among them.
    """
    with _extra("boto3"):
        from agentkeys.aws.boto3_sessions import open_session  # noqa: PLC0415 - it may be missing
    return open_session(profile, environ=environ, clock=SystemClock())


def aiobotocore_session(
    profile: str | None = None, *, environ: Mapping[str, str] | None = None
) -> AioSession:
    """The same for aiobotocore, and so for aioboto3 and s3fs, in one event loop.

    It does not block: the daemon is asked where a client is made, which then raises what
    `boto3_session` does.
    """
    with _extra("aiobotocore"):
        from agentkeys.aws.aiobotocore_sessions import open_session  # noqa: PLC0415 - may be missing
    return open_session(profile, environ=environ, clock=SystemClock())


@contextmanager
def _extra(name: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.startswith("agentkeys"):
            raise
        raise ExtraMissing(
            f"{problem.name} is not installed", hint=f"run: pip install 'agentkeys[{name}]'"
        ) from problem
