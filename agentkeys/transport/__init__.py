"""HTTP to brokers, issuers and stores: bounded in time and size, never following a redirect.

A plain `http://` URL is for this machine only; what goes to this machine never takes a proxy, and
goes only where the listener belongs to us or to root.
"""

from agentkeys.transport.answer import Answer
from agentkeys.transport.client import Transport
from agentkeys.transport.failures import TransportError

__all__ = ["Answer", "Transport", "TransportError"]
