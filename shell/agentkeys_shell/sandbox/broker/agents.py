"""Agents: devices that their owners have let in, and what the chain would say of them.

A real broker reads the chain at every mint. Here a device is registered as soon as its owner has
claimed it, unless the broker was told to wait for `register`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from agentkeys_shell.sandbox.broker.identity import AGENT, Identity
from agentkeys_shell.sandbox.broker.web import Refused

__all__ = ["Agent", "Agents"]


@dataclass(frozen=True, slots=True)
class Agent:
    """A device under its owner's account."""

    device: str
    """The device key's address, lower-case."""
    parent_omni: str
    label: str

    @property
    def identity(self) -> Identity:
        return Identity(AGENT, self.device)

    @property
    def path(self) -> str:
        """As the sessions name it: `//LABEL`."""
        return f"//{self.label}"

    @property
    def omni(self) -> str:
        """The agent's own account: the same for an owner and a label, whatever the device."""
        return hashlib.sha256(f"{self.parent_omni}{self.path}".encode()).hexdigest()


class Agents:
    """Which device belongs to whom, until the process ends."""

    def __init__(self, *, register_at_once: bool) -> None:
        self._register_at_once = register_at_once
        self._agents: dict[str, Agent] = {}
        self._registered: set[str] = set()

    def bind(self, agent: Agent) -> None:
        """The latest owner has the device."""
        self._agents[agent.device] = agent
        self._registered.discard(agent.device)
        if self._register_at_once:
            self._registered.add(agent.device)

    def register(self, device: str, *, owner: str) -> None:
        """The owner's word, as the chain has it; Refused (`bad_request`) for others' devices."""
        self._check_owner(device, owner)
        self._registered.add(device)

    def revoke(self, device: str, *, owner: str) -> None:
        """From now on the device gets nothing."""
        self._check_owner(device, owner)
        self._registered.discard(device)

    def active(self, device: str) -> Agent:
        """The agent that a device is now; Refused (`forbidden`)."""
        agent = self._agents.get(device)
        if agent is None or device not in self._registered:
            raise Refused("forbidden", "this agent's device is not bound yet, or was revoked")
        return agent

    def check(self, agent: Agent) -> None:
        """Refused (`forbidden`) unless the agent of a session is still the one of its device."""
        if self.active(agent.device) != agent:
            raise Refused("forbidden", "this agent's device is bound to another operator or actor")

    def _check_owner(self, device: str, owner: str) -> None:
        agent = self._agents.get(device)
        if agent is None or agent.parent_omni != owner:
            raise Refused("bad_request", "no such device of yours")
