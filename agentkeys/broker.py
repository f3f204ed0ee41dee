"""The agentKeys broker over HTTP: one call each way, errors by its envelope.

Source of the wire format: the broker's client contract, generations with session JWTs (g4 on).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from agentkeys.broker_features import WANTED, BrokerFeatures
from agentkeys.broker_refusals import (
    BINDING,
    RESOLVING,
    SESSION,
    Refusals,
    json_object,
    refusal_of,
)
from agentkeys.errors import BrokerRefused, BrokerUnreachable, TokenError
from agentkeys.secret import Secret
from agentkeys.sessions import DeviceProof
from agentkeys.transport import Transport, TransportError

__all__ = ["BrokerClient", "device_fields"]

_MINT = "/v1/mint-oidc-jwt"
_DISCOVERY = "/.well-known/openid-configuration"
_SECRET_FIELDS = ("request_id", "signature", "pop_sig", "pairing_code")


class BrokerClient:
    """Talks to one broker, or to its signer, which answers in the same envelope."""

    def __init__(self, *, url: str, transport: Transport) -> None:
        self.url = url
        self._transport = transport

    def now(self) -> datetime:
        """The broker's time, as far as its answers have told it."""
        return self._transport.times.now(self.url)

    async def tell_time(self) -> None:
        """Has the transport learn the broker's time, if it answers; whatever it answers has it."""
        with suppress(TransportError):
            await self._transport.send("GET", f"{self.url}/healthz", timeout=5)

    async def mint_oidc_jwt(self, session: Secret, *, is_agent: bool = False) -> Secret:
        """A fresh web identity token for the session; every call makes the broker sign one.

        `is_agent` says that the session is a paired device's, whose owner may yet have to bind it.
        Raises LoginRequired when the broker no longer takes the session, BrokerUnreachable,
        BrokerRefused.
        """
        refusals = BINDING if is_agent else SESSION
        answer = await self.find("POST", _MINT, bearer=session, refusals=refusals)
        if answer is None:
            raise await self._mints_nothing()
        return self._secret(answer, "jwt", "a token")

    async def resolve_device(self, device: DeviceProof) -> Secret | None:
        """A fresh session for a device that is bound; None where the broker is too old for that.

        Raises LoginRequired when the proof is not taken, BrokerRefused while the device is not
        bound or no longer, BrokerUnreachable.
        """
        # Without is_device, some brokers would start a hosted machine for it.
        body = {**device_fields(device), "is_device": True}
        answer = await self.find("POST", "/v1/agent/resolve", body=body, refusals=RESOLVING)
        return None if answer is None else self._secret(answer, "session_jwt", "a session")

    async def fetch_features(self) -> BrokerFeatures | None:
        """What its discovery document tells of it; None where that cannot be had just now."""
        try:
            return BrokerFeatures.of(await self.find("GET", _DISCOVERY))
        except TokenError:
            return None

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        bearer: Secret | None = None,
        ticket: Secret | None = None,
        refusals: Refusals | None = None,
    ) -> dict[str, Any]:
        """One request; its JSON object. Raises LoginRequired, BrokerRefused, BrokerUnreachable.

        `ticket` is the path's last part where that is a secret, so that no error can show it.
        `refusals` says what statuses mean here, where that is more than they mean anywhere.
        """
        found = await self.find(
            method, path, body=body, bearer=bearer, ticket=ticket, refusals=refusals
        )
        if found is None:
            raise self._not_offered(path)
        return found

    async def find(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        bearer: Secret | None = None,
        ticket: Secret | None = None,
        refusals: Refusals | None = None,
    ) -> dict[str, Any] | None:
        """The same, but None where the broker offers no such path."""
        headers = {"accept": "application/json"}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer.reveal()}"
        url = f"{self.url}{path}/{ticket.reveal()}" if ticket else self.url + path
        try:
            answer = await self._transport.send(method, url, headers=headers, json=body)
        except TransportError as problem:
            raise BrokerUnreachable(
                f"the broker did not answer: {problem.message}", hint=problem.hint
            ) from problem
        if answer.status == 404:
            return None
        if answer.status != 200:
            sent = [secret.reveal() for secret in (bearer, ticket) if secret]
            sent += [_bare(body[name]) for name in _SECRET_FIELDS if body and name in body]
            known = refusals or (SESSION if bearer else {})
            raise refusal_of(answer, url=self.url, sent=sent, known=known, now=self.now())
        found = json_object(answer)
        if found is None:
            raise self._not_an_answer("JSON")
        return found

    def _secret(self, answer: Mapping[str, Any], name: str, what: str) -> Secret:
        value = answer.get(name)
        if not isinstance(value, str) or not value:
            raise self._not_an_answer(what)
        return Secret(value)

    def _not_offered(self, path: str) -> BrokerRefused:
        return BrokerRefused(
            f"{self.url} does not offer {path}",
            hint="check the identity's url; this broker may be too old, or built without it",
        )

    async def _mints_nothing(self) -> BrokerRefused:
        features = await self.fetch_features()
        if features is None or features.has_tags:
            return self._not_offered(_MINT)
        if not features.is_broker:
            return BrokerRefused(
                f"{self.url} is {features.generation}",
                hint='check the identity\'s url; for other issuers there is source = "oidc"',
            )
        return BrokerRefused(
            f"the broker at {self.url} mints no web identity tokens: it is {features.generation}",
            hint=f"this broker is too old: {WANTED}",
        )

    def _not_an_answer(self, expected: str) -> BrokerUnreachable:
        return BrokerUnreachable(
            f"{self.url} answered something else than {expected}",
            hint="check that the identity's url is a broker's, and no proxy's sign-in page",
        )


def _bare(proof: object) -> str:
    """As a broker may repeat it, with 0x or without."""
    return str(proof).removeprefix("0x")


def device_fields(device: DeviceProof) -> dict[str, str]:
    """What every request of a paired device says of itself."""
    return {"device_pubkey": device.address, "pop_sig": device.signature.reveal()}
