"""`POST /v1/mint-oidc-jwt`: a web identity token for a session, and a row about it."""

from __future__ import annotations

from agentkeys.clock import Clock
from agentkeys.secret import Secret
from agentkeys_shell.sandbox.broker.agents import Agents
from agentkeys_shell.sandbox.broker.audit import AuditLog, AuditRow
from agentkeys_shell.sandbox.broker.oidc import OidcTokens
from agentkeys_shell.sandbox.broker.sessions import Session, Sessions
from agentkeys_shell.sandbox.broker.web import Refused, Request, Response, Route, json_answer

__all__ = ["Mint"]


class Mint:
    """Every attempt with a bearer leaves a row; one without any bearer does not."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        agents: Agents,
        tokens: OidcTokens,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._agents = agents
        self._tokens = tokens
        self._audit = audit
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        return (Route("POST", "/v1/mint-oidc-jwt", self.mint),)

    def mint(self, request: Request) -> Response:
        bearer = request.bearer()
        session = self._authenticate(bearer)
        self._check_active(bearer, session)
        minted = self._tokens.mint(session)
        self._record(bearer, wallet=session.user, name=self._tokens.kid, outcome="ok")
        return json_answer(
            {
                "jwt": minted.jwt.reveal(),
                "wallet": session.user,
                "expiration": minted.expires_at,
            }
        )

    def _authenticate(self, bearer: Secret) -> Session:
        try:
            return self._sessions.check(bearer)
        except Refused as refusal:
            self._record(
                bearer,
                wallet="unknown",
                name="(unauthenticated)",
                outcome="auth_failed",
                detail=refusal.detail,
            )
            raise

    def _check_active(self, bearer: Secret, session: Session) -> None:
        try:
            if session.agent:
                self._agents.check(session.agent)
        except Refused as refusal:
            self._record(
                bearer,
                wallet=session.user,
                name="(agent-not-active)",
                outcome="auth_failed",
                detail=refusal.detail,
            )
            raise

    def _record(
        self, bearer: Secret, *, wallet: str, name: str, outcome: str, detail: str | None = None
    ) -> None:
        self._audit.write(
            AuditRow(
                minted_at=int(self._clock.now().timestamp()),
                requester_token_hash=bearer.fingerprint(),
                requester_wallet=wallet,
                requested_role="oidc_jwt",
                session_duration_seconds=int(self._tokens.lifetime.total_seconds()),
                sts_session_name=name,
                outcome=outcome,
                outcome_detail=detail,
            )
        )
