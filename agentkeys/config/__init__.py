"""The configuration: what it says, and where it is found."""

from agentkeys.config.parse import parse_config
from agentkeys.config.source import ConfigSource
from agentkeys.config.tables import REGION, Table
from agentkeys.config.values import (
    BrokerIdentity,
    Config,
    Identity,
    Profile,
    SandboxIdentity,
    Store,
)

__all__ = [
    "REGION",
    "BrokerIdentity",
    "Config",
    "ConfigSource",
    "Identity",
    "Profile",
    "SandboxIdentity",
    "Store",
    "Table",
    "parse_config",
]
