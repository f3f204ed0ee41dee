"""Logs a person in with a browser on this machine."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection, Mapping
from datetime import timedelta

from agentkeys.errors import LoginFailed
from agentkeys.login.oidc.listener import RedirectListener
from agentkeys.login.oidc.pages import DONE, REFUSED, STRANGE, Page
from agentkeys.login.oidc.person import Person
from agentkeys.oidc import (
    AuthorizationRequest,
    Issuer,
    OidcClient,
    OidcTokens,
    begin_authorization,
)
from agentkeys.quoting import quotable
from agentkeys.secret import Secret

__all__ = ["log_in_by_browser"]


async def log_in_by_browser(
    client: OidcClient,
    scopes: Collection[str],
    *,
    person: Person,
    port: int | None,
    patience: timedelta,
) -> OidcTokens:
    """The tokens of whoever logged in, the ID token verified.

    Waits no longer than `patience`. Raises LoginFailed, and whatever `client` raises.
    """
    issuer = await client.issuer()
    redirect = _Redirect(issuer)
    async with RedirectListener(port=port, judge=redirect) as listener:
        request = begin_authorization(
            issuer, client.settings, scopes=scopes, redirect_uri=listener.redirect_uri
        )
        redirect.expect(request)
        person.visit(request.url)
        try:
            async with asyncio.timeout(patience.total_seconds()):
                code = await redirect.code
        except TimeoutError:
            raise LoginFailed(
                "nobody finished the login in time",
                hint=f"run: agentkeys login {client.settings.name}",
            ) from None
    tokens = await client.exchange_code(code, request)
    await client.verify_id_token(tokens, nonce=request.nonce)
    return tokens


class _Redirect:
    """Waits for the redirect with our `state`: any page could send a browser with another."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._request: AuthorizationRequest | None = None
        self.code: asyncio.Future[Secret] = asyncio.get_running_loop().create_future()

    def expect(self, request: AuthorizationRequest) -> None:
        self._request = request

    def page(self, parameters: Mapping[str, str]) -> Page:
        if not self._is_ours(parameters):
            return STRANGE
        return REFUSED if self._problem(parameters) else DONE

    def take(self, parameters: Mapping[str, str]) -> None:
        if self.code.done() or not self._is_ours(parameters):
            return
        problem = self._problem(parameters)
        if problem:
            self.code.set_exception(problem)
        else:
            self.code.set_result(Secret(parameters["code"]))

    def _is_ours(self, parameters: Mapping[str, str]) -> bool:
        state = parameters.get("state", "").encode()
        request = self._request
        return bool(request and hmac.compare_digest(state, request.state.reveal().encode()))

    def _problem(self, parameters: Mapping[str, str]) -> LoginFailed | None:
        issuer = parameters.get("iss")
        if issuer != self._issuer.url and (issuer is not None or self._issuer.names_itself):
            # RFC 9207: another issuer may be trying to get at the code of this one.
            return LoginFailed(
                f"the login came back from {quotable(issuer) or 'an unnamed issuer'}, "
                f"not from {self._issuer.url}",
                hint="try again; if it stays, ask whoever runs the issuer",
            )
        if parameters.get("code") and "error" not in parameters:
            return None
        secrets = [parameters.get("code", ""), parameters.get("state", "")]
        error = quotable(parameters.get("error"), secrets=secrets) or "no code"
        description = quotable(parameters.get("error_description"), secrets=secrets)
        return LoginFailed(
            f"the issuer refused the login ({error})" + (f": {description}" if description else ""),
            hint=_HINTS.get(error, "check what the identity's settings ask of the issuer"),
        )


_HINTS = {
    "access_denied": "try again, and agree to what the issuer asks",
    "invalid_scope": "set scopes to what the issuer lets this client ask for",
    "unauthorized_client": "allow the authorization code flow for the client at the issuer",
}
