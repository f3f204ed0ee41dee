"""What a call is answered with at once: nothing here waits, and any thread may use it."""

from __future__ import annotations

from collections.abc import Mapping

from agentkeys.clock import Clock
from agentkeys.config import Config, Profile
from agentkeys.errors import TokenInvalid
from agentkeys.leases import Minter
from agentkeys.provider.held import HeldCredentials
from agentkeys.provider.presented_mints import CredentialRequest, PresentedMints
from agentkeys.provider.settings import Settings
from agentkeys.provider.stores import TransportStores
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials

__all__ = ["MAX_SUBJECTS", "WarmAnswers"]

MAX_SUBJECTS = 10_000


class WarmAnswers:
    """Answers from what is held, and makes a request of what it cannot answer."""

    def __init__(
        self,
        *,
        config: Config | None,
        environ: Mapping[str, str] | None,
        max_subjects: int,
        clock: Clock,
    ) -> None:
        if max_subjects < 1:
            raise ValueError("max_subjects must be at least 1")
        self._config = config
        self._environ = environ
        self._max_subjects = max_subjects
        self._clock = clock
        self.start_over()

    def start_over(self) -> None:
        """As new: for the child of a fork, where the threads are gone that held a lock."""
        self.settings = Settings(config=self._config, environ=self._environ, clock=self._clock)
        self.held = HeldCredentials(limit=self._max_subjects, clock=self._clock)

    def begin_mints(self) -> PresentedMints:
        """For what this cannot answer."""
        return PresentedMints(
            held=self.held,
            stores=TransportStores(clock=self._clock),
            minter=Minter(clock=self._clock),
            clock=self._clock,
        )

    def answer(
        self, token: str | Secret, profile: str | Profile
    ) -> ServedCredentials | CredentialRequest:
        """Credentials that stay good for a while, or else a request for the mints."""
        setting = self.settings.find(profile)
        text = token.reveal() if isinstance(token, Secret) else token
        if not isinstance(text, str) or not text:
            raise TokenInvalid(
                "no web identity token was presented",
                hint="give credentials_for() the caller's own token",
            )
        key = setting.key(text)
        held = self.held.get(key)
        if held is not None and held.is_fresh(self._clock):
            return held.served
        return CredentialRequest(setting, Secret(text), key)

    def __repr__(self) -> str:
        return f"{len(self.held)} of {self._max_subjects} held"
