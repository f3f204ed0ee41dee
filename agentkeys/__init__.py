"""Temporary S3 credentials for programs, each confined to its own user.

For programs in Python (docs/python.md):

    agentkeys.Client("data").credentials()
    agentkeys.boto3_session("data").client("s3")

And for services that act for many users (docs/provider.md):

    agentkeys.CredentialProvider().credentials_for(web_identity_token=token, profile="data")
"""

__version__ = "0.1.0"

__all__ = [
    "AgentkeysError",
    "AsyncClient",
    "AsyncCredentialProvider",
    "Client",
    "CredentialProvider",
    "Secret",
    "ServedCredentials",
    "TemporaryCredentials",
    "__version__",
    "aiobotocore_session",
    "boto3_session",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentkeys.aws import aiobotocore_session, boto3_session
    from agentkeys.errors import AgentkeysError
    from agentkeys.models import TemporaryCredentials
    from agentkeys.programs import AsyncClient, Client
    from agentkeys.provider import AsyncCredentialProvider, CredentialProvider
    from agentkeys.secret import Secret
    from agentkeys.served import ServedCredentials

_HOMES = {
    "AgentkeysError": "agentkeys.errors",
    "AsyncClient": "agentkeys.programs",
    "AsyncCredentialProvider": "agentkeys.provider",
    "Client": "agentkeys.programs",
    "CredentialProvider": "agentkeys.provider",
    "Secret": "agentkeys.secret",
    "ServedCredentials": "agentkeys.served",
    "TemporaryCredentials": "agentkeys.models",
    "aiobotocore_session": "agentkeys.aws",
    "boto3_session": "agentkeys.aws",
}


def __getattr__(name: str) -> object:
    """Imports what is asked for: the fast paths import this package too, and pay for all of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'agentkeys' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
