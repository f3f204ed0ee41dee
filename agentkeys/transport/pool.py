"""The one module that knows httpx; imported when the first request is sent, never before."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from agentkeys import __version__
from agentkeys.clock import Clock
from agentkeys.errors import ConfigError
from agentkeys.transport.answer import Answer, measure_skew
from agentkeys.transport.authorities import Authorities
from agentkeys.transport.failures import TransportError, explain

__all__ = ["Pool"]

# Compressed answers are not asked for and not unpacked, so that max_bytes means what it says.
_HEADERS = {"accept-encoding": "identity", "user-agent": f"agentkeys/{__version__}"}


class Pool:
    """Connections that may be used again, either to this machine or, through proxies, to others.

    SSL_CERT_FILE and SSL_CERT_DIR count for both unless there are `authorities`, the
    environment's proxies only for others.
    """

    def __init__(
        self, *, clock: Clock, local: bool, authorities: Authorities | None = None
    ) -> None:
        """Raises ConfigError when `authorities` or the environment's settings cannot be used."""
        self._clock = clock
        self._under_way = 0
        self._is_retired = False
        verify = authorities.context() if authorities else None
        try:
            self._client = httpx.AsyncClient(
                verify=verify or httpx.create_ssl_context(),
                trust_env=not local,
                follow_redirects=False,
                # Identities share the pool: a cookie set for one must not go with the next.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                headers=_HEADERS,
            )
        except (ImportError, OSError, ValueError, httpx.InvalidURL):
            # Without the cause, which quotes the proxy's URL and so may hold a password.
            raise ConfigError(
                "the proxy or certificate settings in the environment cannot be used",
                hint="look at HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
            ) from None

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        where: str,
        headers: Mapping[str, str],
        content: bytes | None,
        connect_timeout: float,
        max_bytes: int,
    ) -> Answer:
        """Raises TransportError naming `where`; ConfigError when httpx cannot read the URL."""
        sent_at = self._clock.now()
        self._under_way += 1
        try:
            async with self._client.stream(
                method,
                url,
                headers=headers,
                content=content,
                timeout=httpx.Timeout(None, connect=connect_timeout),
            ) as response:
                skew = measure_skew(response.headers, sent_at, self._clock.now())
                body = await _read(response, where, max_bytes)
        except httpx.InvalidURL:
            # Without the cause, which may quote the URL.
            raise ConfigError(f"the URL of {where} is malformed", hint="correct it") from None
        except httpx.ConnectTimeout as error:
            raise TransportError(
                f"no connection to {where} within {connect_timeout:g} s",
                hint="see whether the host is up, and whether a firewall is in the way",
            ) from error
        except (httpx.HTTPError, UnicodeError) as error:
            raise explain(error, where) from error
        finally:
            self._under_way -= 1
            if self._is_retired:
                await self.retire()
        return Answer(response.status_code, dict(response.headers), body, skew)

    async def retire(self) -> None:
        """Closes every connection once nothing is under way any more."""
        self._is_retired = True
        if not self._under_way:
            await self.aclose()

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._client.aclose()


async def _read(response: httpx.Response, where: str, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise TransportError(
                f"{where} answered with more than {max_bytes} bytes",
                hint="see whether the configured URL is that of the service",
            )
    return bytes(body)
