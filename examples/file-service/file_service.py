"""Files over HTTP; each request carries the web identity token of the user whom it is for.

    GET           /alice/uploads/              the names in it
    GET, PUT,     /alice/uploads/report.txt    a file; also in outputs/, shared/ and tasks/
    DELETE
    GET           /alice/settings              how her requests are served, without secrets

The service has no keys, and does not check tokens: the store does, when the provider trades them. A
token that is forged, over or another's buys nothing, and every user has credentials of their own.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from user_files import FOLDERS, Clients, UserFiles

from agentkeys import AgentkeysError, AsyncCredentialProvider, ServedCredentials
from agentkeys.errors import ConfigError, StsTokenRefused, TokenError

log = logging.getLogger("file_service")

LARGEST_FILE = 16 * 1024 * 1024
ENDED = ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "InvalidClientTokenId")
"""What stores say to credentials that are over before their time."""


class FileService:
    """The ASGI application."""

    def __init__(self, provider: AsyncCredentialProvider) -> None:
        self._provider = provider
        self._clients = Clients()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            status, body = await self._answer(scope, receive)
            headers = [(b"content-type", b"application/octet-stream")]
            if not isinstance(body, bytes):
                body, headers = json.dumps(body).encode(), [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._provider.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, Any]:
        try:
            request = _parse(scope)
            content = await _read(receive) if request.method == "PUT" else b""
            if request.folder == "settings":
                return 200, _settings(await self._credentials(request))
            return await self._serve(request, content)
        except _Refused as refusal:
            return refusal.status, {"error": refusal.about}
        except ConfigError as problem:
            # Its own words may name other users' profiles.
            log.warning("%s: %s", request.profile, problem)
            hint = f"its operator has to add [profiles.{request.profile}]"
            about = {"code": problem.code, "message": "nothing is set up for this user here"}
            return 409, {"error": {**about, "hint": hint}}
        except AgentkeysError as problem:
            log.warning("%s: %s", request.profile, problem)
            about = {"code": problem.code, "message": problem.message, "hint": problem.hint}
            return _status(problem), {"error": about}
        except ClientError as problem:
            found = problem.response["Error"]["Code"]
            return {"NoSuchKey": 404, "AccessDenied": 403}.get(found, 502), {
                "error": {"code": found, "message": f"the store refused: {found}"}
            }

    async def _serve(self, request: _Request, content: bytes) -> tuple[int, Any]:
        folder, name = request.folder, request.name
        match request.method, bool(name):
            case "GET", False:
                return 200, await self._do(request, lambda files: files.names(folder))
            case "GET", True:
                return 200, await self._do(request, lambda files: files.read(folder, name))
            case "PUT", True:
                await self._do(request, lambda files: files.write(folder, name, content))
                return 201, {}
            case "DELETE", True:
                await self._do(request, lambda files: files.delete(folder, name))
                return 200, {}
        raise _Refused(405, "method_not_allowed", f"{request.method} means nothing here")

    async def _do(self, request: _Request, work: Callable[[UserFiles], Any]) -> Any:
        """What `work` gives; with new credentials where the store has ended those we had."""
        credentials = await self._credentials(request)
        try:
            return await self._in_thread(credentials, work)
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] not in ENDED:
                raise
        self._provider.invalidate(credentials.access_key_id)
        return await self._in_thread(await self._credentials(request), work)

    async def _in_thread(
        self, credentials: ServedCredentials, work: Callable[[UserFiles], Any]
    ) -> Any:
        return await asyncio.to_thread(lambda: work(self._clients.files_of(credentials)))

    async def _credentials(self, request: _Request) -> ServedCredentials:
        return await self._provider.credentials_for(
            web_identity_token=request.token, profile=request.profile
        )


@dataclass(frozen=True)
class _Request:
    method: str
    user: str
    folder: str
    name: str
    token: str

    @property
    def profile(self) -> str:
        """A name that no profile has that is not meant for users."""
        return f"user-{self.user}"


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.about = {"code": code, "message": message}


def _parse(scope: Any) -> _Request:
    user, _, rest = scope["path"].removeprefix("/").partition("/")
    folder, slash, name = rest.partition("/")
    if folder not in (*FOLDERS, "settings") or (not slash) is not (folder == "settings"):
        raise _Refused(404, "not_found", f"the folders are {', '.join(FOLDERS)}")
    if name and {"", ".", ".."} & {*name.split("/")}:
        raise _Refused(400, "bad_name", "no part of a name may be empty, . or ..")
    shown = [value for key, value in scope["headers"] if key == b"authorization"]
    scheme, _, token = shown[0].decode("latin-1").partition(" ") if len(shown) == 1 else ("",) * 3
    if scheme.lower() != "bearer" or not token:
        raise _Refused(401, "no_token", "send your token as: Authorization: Bearer TOKEN")
    return _Request(scope["method"], user, folder, name, token)


async def _read(receive: Any) -> bytes:
    content = bytearray()
    while True:
        message = await receive()
        content += message.get("body", b"")
        if len(content) > LARGEST_FILE:
            raise _Refused(413, "too_large", f"a file has at most {LARGEST_FILE} bytes")
        if not message.get("more_body"):
            return bytes(content)


def _settings(credentials: ServedCredentials) -> dict[str, Any]:
    """For people to look at: no key, no token."""
    return {
        "profile": credentials.profile,
        "endpoint": credentials.endpoint_url,
        "region": credentials.region,
        "bucket": credentials.bucket,
        "prefix": credentials.prefix,
        "access_key": f"…{credentials.access_key_id[-4:]}",
        "secret_access_key": str(credentials.secret_access_key),
        "session_token": str(credentials.session_token),
        "expires_at": credentials.expires_at.isoformat(),
    }


def _status(problem: AgentkeysError) -> int:
    if isinstance(problem, StsTokenRefused) or problem.code == "token_invalid":
        return 401
    if isinstance(problem, TokenError):
        return 403
    return 503 if problem.retryable else 502


app = FileService(AsyncCredentialProvider())
