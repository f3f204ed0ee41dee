"""examples/file-service: one process, many users, and a token with each request."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkeys import AsyncCredentialProvider, ServedCredentials
from tests.examples.examples import adapt_file, copy_example
from tests.support.programs import Home, new_home
from tests.support.signing_issuer import SigningIssuer
from tests.support.trusting_store import Trust

FOLDERS = ("uploads", "outputs", "shared", "tasks")
AUDIENCE = "files"
CONTENT = bytes(range(256))


@pytest.fixture(scope="module")
def trust() -> Trust:
    """Each user gets at what has their name."""
    return Trust(
        audience=AUDIENCE,
        role="arn:aws:iam::000000000001:role/files",
        keys="users/${jwt:preferred_username}/*",
    )


@pytest.fixture(scope="module")
def copied(issuer: SigningIssuer, store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with what has to be changed changed."""
    found = copy_example("file-service", tmp_path_factory.mktemp("service"))
    adapt_file(
        found / "config.toml",
        {
            "https://login.example.com": issuer.url,
            "https://s3.example.com": store,
            'bucket = "files"': 'bucket = "agentkeys"',
        },
    )
    return found


@pytest.fixture(scope="module")
def service(copied: Path) -> Iterator[httpx.Client]:
    """As the README starts it; no daemon is there to help."""
    with new_home() as home, socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        started = home.start(
            *(sys.executable, "-B", "-m", "uvicorn", "--fd", str(descriptor)),
            *("--app-dir", copied, "file_service:app"),
            env={"AGENTKEYS_CONFIG": str(copied / "config.toml")},
            pass_fds=[descriptor],
        )
        with started as process:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            try:
                with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                    yield client
            finally:
                process.terminate()
                out, err = process.communicate(timeout=60)
        assert not home.socket.exists()
        assert_tells_nothing(home, out + err)


def assert_tells_nothing(home: Home, log: str) -> None:
    """No token in the log, and no file with a secret."""
    assert "Application shutdown complete" in log
    assert "eyJ" not in log
    assert not any("eyJ" in path.read_text("utf-8", "replace") for path in files_in(home.state))


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def token(issuer: SigningIssuer, user: str) -> str:
    claims = {"sub": f"account-{user}", "preferred_username": user, "aud": AUDIENCE}
    return issuer.sign(claims)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_user_keeps_files_in_each_folder(
    service: httpx.Client, issuer: SigningIssuer, folder: str
) -> None:
    """Written, listed, read and deleted, with one token."""
    alice = bearer(token(issuer, "alice"))
    file = f"/alice/{folder}/2026/a report & more.bin"
    assert service.put(file, content=CONTENT, headers=alice).status_code == 201
    names = service.get(f"/alice/{folder}/", headers=alice)
    assert names.json() == ["2026/a report & more.bin"]
    assert service.get(file, headers=alice).content == CONTENT
    assert service.delete(file, headers=alice).status_code == 200
    assert code_of(service.get(file, headers=alice)) == (404, "NoSuchKey")


def test_users_have_places_of_their_own(service: httpx.Client, issuer: SigningIssuer) -> None:
    """The same path below two users is two files."""
    for user in ("alice", "bob"):
        own = bearer(token(issuer, user))
        file = f"/{user}/shared/name.txt"
        assert service.put(file, content=user.encode(), headers=own).status_code == 201
    for user in ("alice", "bob"):
        own = bearer(token(issuer, user))
        assert service.get(f"/{user}/shared/name.txt", headers=own).content == user.encode()


def test_another_users_token_opens_nothing(service: httpx.Client, issuer: SigningIssuer) -> None:
    """It is a good one, and not Alice's."""
    bob = bearer(token(issuer, "bob"))
    for path in ("/alice/uploads/", "/alice/settings"):
        assert code_of(service.get(path, headers=bob)) == (403, "wrong_identity")


def test_a_forged_token_gets_nothing_although_alice_is_served(
    service: httpx.Client, issuer: SigningIssuer
) -> None:
    """All its claims are those of the token whose credentials are held; its signature is not."""
    good = token(issuer, "alice")
    assert service.get("/alice/uploads/", headers=bearer(good)).status_code == 200
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    for forged in (
        issuer.sign(claims, key="another"),
        f"{good.rpartition('.')[0]}.{'A' * 86}",
        good[:-8] + ("AAAAAAAA" if good[-8:] != "AAAAAAAA" else "BBBBBBBB"),
    ):
        answer = service.get("/alice/uploads/", headers=bearer(forged))
        assert answer.status_code == 401, answer.text
        assert set(answer.json()) == {"error"}
    assert service.get("/alice/uploads/", headers=bearer(good)).status_code == 200


def test_a_user_without_a_setting_is_told_so(service: httpx.Client, issuer: SigningIssuer) -> None:
    """In words for an operator; neither anybody's credentials nor the names of others."""
    answer = service.get("/dave/uploads/", headers=bearer(token(issuer, "dave")))
    assert code_of(answer) == (409, "unknown_profile")
    assert "[profiles.user-dave]" in answer.json()["error"]["hint"]
    assert "alice" not in answer.text


def test_settings_show_no_secret(service: httpx.Client, issuer: SigningIssuer, store: str) -> None:
    """Where the files are, and the end of the key's name."""
    answer = service.get("/alice/settings", headers=bearer(token(issuer, "alice")))
    found = answer.json()
    assert found["prefix"] == "users/alice/"
    assert found["endpoint"] == store
    assert len(found["access_key"]) == 5
    assert found["secret_access_key"] == found["session_token"] == "Secret(…)"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/alice/uploads/", {}, 401),
        ("/alice/uploads/", {"Authorization": "Bearer"}, 401),
        ("/alice/uploads/", {"Authorization": "Basic YTpi"}, 401),
        ("/alice/uploads/", {"Authorization": "Bearer no-token"}, 401),
        ("/alice/secrets/", {"Authorization": "Bearer x"}, 404),
        ("/alice/uploads", {"Authorization": "Bearer x"}, 404),
        ("/alice/settings/more", {"Authorization": "Bearer x"}, 404),
        ("/alice/uploads/a/%2E%2E/%2E%2E/b", {"Authorization": "Bearer x"}, 400),
        ("/alice/uploads//x", {"Authorization": "Bearer x"}, 400),
        ("/", {}, 404),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    service: httpx.Client, path: str, headers: dict[str, str], status: int
) -> None:
    """With a reason, before any store is asked."""
    answer = service.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_a_file_that_is_too_large_is_refused(service: httpx.Client, issuer: SigningIssuer) -> None:
    """Before it is all in memory."""
    alice = bearer(token(issuer, "alice"))
    content = (b"x" * 1_000_000 for _ in range(17))
    answer = service.put("/alice/uploads/large", content=content, headers=alice)
    assert code_of(answer) == (413, "too_large")


class Stale:
    """A provider whose first answer is of a session that the store has ended meanwhile."""

    def __init__(self, provider: AsyncCredentialProvider) -> None:
        self.dropped: list[str] = []
        self._provider = provider

    async def credentials_for(self, **asked: Any) -> ServedCredentials:
        found = await self._provider.credentials_for(**asked)
        return found if self.dropped else replace(found, access_key_id="ASIAENDED00000000000")

    def invalidate(self, key: str) -> bool:
        self.dropped.append(key)
        return True


def test_credentials_that_the_store_has_ended_are_replaced(
    copied: Path, issuer: SigningIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are dropped, and the user hears nothing of it."""
    monkeypatch.syspath_prepend(str(copied))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    program = importlib.import_module("file_service")

    async def upload() -> int:
        environ = {"AGENTKEYS_CONFIG": str(copied / "config.toml"), "HOME": str(copied)}
        async with AsyncCredentialProvider(environ=environ) as provider:
            stale = Stale(provider)
            transport = httpx.ASGITransport(program.FileService(stale))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                alice = bearer(token(issuer, "alice"))
                answer = await client.put("/alice/tasks/1", content=b"do it", headers=alice)
        assert stale.dropped == ["ASIAENDED00000000000"]
        return answer.status_code

    try:
        assert asyncio.run(upload()) == 201
    finally:
        for name in ("file_service", "user_files"):
            del sys.modules[name]
