"""Logging in at an OpenID Connect issuer: with a browser on this machine, or on another device."""

from agentkeys.login.oidc.entry import log_in
from agentkeys.login.oidc.person import DevicePrompt, Person

__all__ = ["DevicePrompt", "Person", "log_in"]
