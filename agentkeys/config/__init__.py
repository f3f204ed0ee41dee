"""The configuration: what it says, and where it is found."""

from agentkeys.config.identities import (
    BrokerIdentity,
    CommandIdentity,
    FileIdentity,
    GithubIdentity,
    Identity,
    OidcIdentity,
    SandboxIdentity,
    SecretPlace,
)
from agentkeys.config.parse import parse_config
from agentkeys.config.profiles import BREAK_GLASS_DURATION
from agentkeys.config.source import ConfigSource
from agentkeys.config.tables import REGION, Table
from agentkeys.config.values import Config, Profile, Store

__all__ = [
    "BREAK_GLASS_DURATION",
    "REGION",
    "BrokerIdentity",
    "CommandIdentity",
    "Config",
    "ConfigSource",
    "FileIdentity",
    "GithubIdentity",
    "Identity",
    "OidcIdentity",
    "Profile",
    "SandboxIdentity",
    "SecretPlace",
    "Store",
    "Table",
    "parse_config",
]
