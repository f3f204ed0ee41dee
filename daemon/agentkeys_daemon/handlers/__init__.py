"""The paths of the socket: each handler reads a request, calls the app, words the answer."""

from agentkeys_daemon.handlers.routes import Handlers

__all__ = ["Handlers"]
