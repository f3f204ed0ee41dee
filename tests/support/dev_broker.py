"""The development broker as a real process on loopback, and what a client does with it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.programs import read_line

_CHAIN_ID = 84532


@dataclass(frozen=True)
class RunningBroker:
    """Where it is and what it wrote."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def output_line(self) -> str:
        """The next line of its output; waits for it."""
        return read_line(self.process.stdout)


@contextmanager
def running_broker(folder: Path, *options: str) -> Iterator[RunningBroker]:
    """A broker on a free port with its audit rows in `folder`, ended on the way out."""
    argv = [sys.executable, "-I", "-m", "agentkeys_shell.sandbox.broker"]
    argv += ["--port", "0", "--folder", str(folder), *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, umask=0o022) as process:
        try:
            url = read_line(process.stdout).split()[-1]
            yield RunningBroker(url, folder, process)
        finally:
            process.terminate()
            process.communicate(timeout=30)


class BrokerClient:
    """The calls of a client, each answer as it comes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def __enter__(self) -> BrokerClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    def get(self, path: str, *, bearer: str | None = None) -> httpx.Response:
        return self._http.get(path, headers=_headers(bearer))

    def post(self, path: str, body: object = None, *, bearer: str | None = None) -> httpx.Response:
        """With `body` as JSON unless it is None."""
        if body is None:
            return self._http.post(path, headers=_headers(bearer))
        return self._http.post(path, json=body, headers=_headers(bearer))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._http.request(method, path, **options)

    def answer(self, path: str, body: object, *, bearer: str | None = None) -> dict[str, Any]:
        """The JSON of a call that has to succeed."""
        response = self.post(path, body, bearer=bearer)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def email_login(self, address: str) -> dict[str, Any]:
        """Of a broker that follows its own links: the verified status."""
        requested = self.answer("/v1/auth/email/request", {"email": address})
        status: dict[str, Any] = self.get(requested["poll_url"]).json()
        assert status["status"] == "verified"
        return status

    def managed_login(self, address: str) -> dict[str, Any]:
        """The whole way from an e-mail address to a wallet session: the answer of SIWE verify."""
        email = self.email_login(address)
        bearer, omni = email["session_jwt"], {"omni_account": email["omni_account"]}
        wallet = self.answer("/dev/derive-address", omni, bearer=bearer)["address"]
        link = {"identity_type": "evm", "identity_value": wallet}
        assert self.answer("/v1/wallet/link", link, bearer=bearer)["linked"]
        challenge = self.start_wallet_login(wallet)
        signing = {**omni, "message_hex": challenge["siwe_message"].encode().hex()}
        signed = self.answer("/dev/sign-message", signing, bearer=bearer)
        assert signed["address"] == wallet
        proof = {"request_id": challenge["request_id"], "signature": signed["signature"]}
        return self.answer("/v1/auth/wallet/verify", proof)

    def start_wallet_login(self, address: str) -> dict[str, Any]:
        return self.answer("/v1/auth/wallet/start", {"address": address, "chain_id": _CHAIN_ID})

    def mint(self, session_jwt: str) -> dict[str, Any]:
        return self.answer("/v1/mint-oidc-jwt", None, bearer=session_jwt)


def assert_refused(response: httpx.Response, status: int, code: str) -> str:
    """The envelope, with `code` and the prefix that goes with it; gives the whole message."""
    prefixes = {
        "bad_request": "bad request: ",
        "unauthorized": "unauthorized: ",
        "forbidden": "forbidden: ",
    }
    body = response.json()
    assert (response.status_code, body["error"]) == (status, code)
    assert set(body) == {"error", "message"}
    message: str = body["message"]
    assert message.startswith(prefixes.get(code, ""))
    return message


def audit_rows(broker: RunningBroker) -> list[dict[str, Any]]:
    """What the broker has on record of mints, oldest first."""
    database = sqlite3.connect(broker.folder / "audit.sqlite")
    try:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM mint_audit")]
    finally:
        database.close()


def _headers(bearer: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}"} if bearer else {}
