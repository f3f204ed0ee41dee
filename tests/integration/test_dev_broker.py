"""The development broker as a process on loopback: it keeps the contract of a real one."""

from __future__ import annotations

import html
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from agentkeys.secret import Secret
from tests.support.dev_broker import (
    BrokerClient,
    RunningBroker,
    assert_refused,
    audit_rows,
    running_broker,
)
from tests.support.samples import broker_sample

VECTORS = broker_sample("vectors")
ADDRESS = VECTORS["wallet"]["address"]
WITHOUT_ETH_ACCOUNT = """
import runpy, sys
sys.modules["eth_account"] = None
runpy.run_module("agentkeys_shell.sandbox.broker", run_name="__main__")
"""
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One that follows its own links; tests keep apart by their addresses."""
    with running_broker(tmp_path_factory.mktemp("broker"), "--follow-links") as running:
        yield running


@pytest.fixture
def client(broker: RunningBroker) -> Iterator[BrokerClient]:
    with BrokerClient(broker.url) as client:
        yield client


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[RunningBroker]:
    """One that waits until somebody follows a link."""
    with running_broker(tmp_path) as running:
        yield running


def sign(message: str, v_offset: int = 0) -> str:
    """The vectors' wallet signs; `v_offset` picks between both spellings of v."""
    account = Account.from_key(VECTORS["wallet"]["private_key_hex"])
    raw = bytes(account.sign_message(encode_defunct(text=message)).signature)
    return raw[:64].hex() + f"{raw[64] + v_offset:02x}"


def wallet_session(client: BrokerClient) -> dict[str, Any]:
    challenge = client.start_wallet_login(ADDRESS)
    signature = sign(challenge["siwe_message"])
    proof = {"request_id": challenge["request_id"], "signature": signature}
    return client.answer("/v1/auth/wallet/verify", proof)


# what it says about itself


def test_it_is_alive_and_ready(client: BrokerClient) -> None:
    """Plain `ok`, and a readiness with the fields of the sample."""
    alive = client.get("/healthz")
    assert (alive.text, alive.headers["content-type"][:10]) == ("ok", "text/plain")
    ready = client.get("/readyz").json()
    assert ready.keys() == broker_sample("readyz.200").keys()
    assert ready["status"] == "ready"


def test_discovery_names_the_issuer_and_its_keys(client: BrokerClient) -> None:
    """The fields of the sample; the issuer is the address it was reached at, byte for byte."""
    discovery = client.get("/.well-known/openid-configuration").json()
    assert discovery.keys() == broker_sample("openid-configuration.200").keys()
    assert discovery["issuer"] == client.url
    assert {"https://aws.amazon.com/tags", "agentkeys_actor_omni"} <= set(
        discovery["claims_supported"]
    )
    key_set = client.get("/.well-known/jwks.json").json()
    (key,), (sample,) = key_set["keys"], broker_sample("jwks.200")["keys"]
    assert key.keys() == sample.keys()


def test_it_answers_head_as_well(client: BrokerClient) -> None:
    """HEAD is GET without the body."""
    response = client.send("HEAD", "/healthz")
    assert (response.status_code, response.content) == (200, b"")


# minting


def test_a_token_can_be_checked_with_the_published_keys(client: BrokerClient) -> None:
    """By anybody, through discovery, with wallet and omni in claims and tags alike."""
    session = wallet_session(client)
    minted = client.mint(session["session_jwt"])
    keys = jwt.PyJWKSet.from_dict(client.get("/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(minted["jwt"])["kid"]]
    claims = jwt.decode(
        minted["jwt"], key, ["ES256"], audience="sts.amazonaws.com", issuer=client.url
    )
    assert claims["exp"] == minted["expiration"] == claims["iat"] + 300
    assert claims["agentkeys_user_wallet"] == minted["wallet"] == ADDRESS
    assert claims["https://aws.amazon.com/tags"]["principal_tags"] == {
        "agentkeys_user_wallet": [ADDRESS],
        "agentkeys_actor_omni": [session["omni_account"]],
    }


def test_a_mint_is_on_record(broker: RunningBroker, client: BrokerClient) -> None:
    """One row with the columns of the sample, which names the bearer by its hash alone."""
    session = wallet_session(client)["session_jwt"]
    minted = client.mint(session)
    row = audit_rows(broker)[-1]
    assert row.keys() == broker_sample("audit-row.ok").keys()
    assert row["requester_token_hash"] == Secret(session).fingerprint()
    assert row["requester_wallet"] == ADDRESS
    assert row["sts_session_name"] == jwt.get_unverified_header(minted["jwt"])["kid"]
    assert (row["outcome"], row["requested_role"]) == ("ok", "oidc_jwt")


def test_a_refused_bearer_is_on_record(broker: RunningBroker, client: BrokerClient) -> None:
    """A session of another broker gets a 401 and leaves a row of its own."""
    foreign = broker_sample("wallet-verify.200")["session_jwt"]
    assert_refused(client.post("/v1/mint-oidc-jwt", bearer=foreign), 401, "unauthorized")
    row = audit_rows(broker)[-1]
    assert row["requester_token_hash"] == Secret(foreign).fingerprint()
    assert (row["outcome"], row["requester_wallet"]) == ("auth_failed", "unknown")
    assert row["sts_session_name"] == "(unauthenticated)"


@pytest.mark.parametrize("value", [None, "", "Bearer", "bearer x", "Basic eDp5", "Token x"])
def test_no_usable_bearer_is_a_401_and_no_row(
    broker: RunningBroker, client: BrokerClient, value: str | None
) -> None:
    """The header is `Bearer`, one space and a token; anything else is as good as none."""
    before = audit_rows(broker)
    headers = {} if value is None else {"Authorization": value}
    response = client.send("POST", "/v1/mint-oidc-jwt", headers=headers)
    assert_refused(response, 401, "unauthorized")
    assert audit_rows(broker) == before


def test_a_web_identity_token_is_no_session(client: BrokerClient) -> None:
    """The two kinds of token are never taken for each other."""
    token = client.mint(wallet_session(client)["session_jwt"])["jwt"]
    assert_refused(client.post("/v1/mint-oidc-jwt", bearer=token), 401, "unauthorized")


def test_a_mint_ignores_its_body(client: BrokerClient) -> None:
    """Whatever is sent along, of whatever type."""
    session = wallet_session(client)["session_jwt"]
    headers = {"Authorization": f"Bearer {session}", "Content-Type": "text/html"}
    response = client.send("POST", "/v1/mint-oidc-jwt", headers=headers, content=b"<p>")
    assert response.status_code == 200


def test_nothing_is_minted_without_a_record(tmp_path: Path) -> None:
    """A broker whose audit rows cannot be written withholds the token."""
    with running_broker(tmp_path, "--follow-links") as broker, BrokerClient(broker.url) as client:
        session = client.email_login("alice@example.com")["session_jwt"]
        database = sqlite3.connect(tmp_path / "audit.sqlite")
        database.execute("DROP TABLE mint_audit")
        database.close()
        response = client.post("/v1/mint-oidc-jwt", bearer=session)
        assert assert_refused(response, 500, "audit_error").startswith("audit error: ")


def test_lifetimes_and_audience_can_be_set(tmp_path: Path) -> None:
    """For tests of expiry; the sessions' tolerance can be switched off for them too."""
    options = ["--session-seconds", "2", "--session-leeway-seconds", "0", "--follow-links"]
    options += ["--token-seconds", "60", "--audience", "other"]
    with running_broker(tmp_path, *options) as broker, BrokerClient(broker.url) as client:
        session = client.email_login("alice@example.com")
        minted = client.mint(session["session_jwt"])
        claims = jwt.decode(minted["jwt"], options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == 60
        assert claims["aud"] == "other"
        session_claims = jwt.decode(session["session_jwt"], options={"verify_signature": False})
        assert session_claims["exp"] - session_claims["iat"] == 2


def test_its_rows_are_private(broker: RunningBroker) -> None:
    """Whatever the umask it was started with."""
    assert (broker.folder / "audit.sqlite").stat().st_mode & 0o777 == 0o600


# what the web framework turns down


def test_an_unknown_path_is_an_empty_404(client: BrokerClient) -> None:
    """Among them what later brokers no longer have."""
    for path in ("/", "/v1/mint-aws-creds", "/v1/auth/exchange", "/healthz/", "/metrics"):
        response = client.post(path, {})
        assert (response.status_code, response.content) == (404, b""), path


def test_a_wrong_method_is_an_empty_405(client: BrokerClient) -> None:
    """With the right one in `Allow`."""
    response = client.get("/v1/mint-oidc-jwt")
    assert (response.status_code, response.content) == (405, b"")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (415, {}, b'{"email": "a@b"}'),
        (415, {"Content-Type": "text/plain"}, b'{"email": "a@b"}'),
        (400, JSON, b""),
        (400, JSON, b"{"),
        (400, JSON, b"\xff"),
        (400, JSON, b"[" * 100_000),
        (422, JSON, b"[]"),
        (422, JSON, b"{}"),
        (422, JSON, b'{"email": null}'),
        (422, JSON, b'{"email": 5}'),
        (413, JSON, b'{"email": "' + b"a" * 1024 * 1024 + b'"}'),
    ],
)
def test_an_unfit_body_is_turned_down_in_plain_text(
    client: BrokerClient, status: int, headers: dict[str, str], body: bytes
) -> None:
    """By the framework, so never in the envelope, and never in HTML."""
    response = client.send("POST", "/v1/auth/email/request", headers=headers, content=body)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text
    assert "<" not in response.text


def test_nested_json_ends_no_broker(client: BrokerClient) -> None:
    """Not even after a wallet login, whose library lifts the interpreter's guard against it."""
    wallet_session(client)
    response = client.send("POST", "/v1/auth/email/request", headers=JSON, content=b"[" * 100_000)
    assert response.status_code == 400


def test_a_long_body_without_a_length_is_turned_down(client: BrokerClient) -> None:
    """The limit holds for what is sent, not for what is announced."""
    pieces = (b" " * 65_536 for _ in range(17))
    response = client.send("POST", "/v1/auth/email/request", headers=JSON, content=pieces)
    assert response.status_code == 413


@pytest.mark.parametrize("chain_id", [None, -1, "84532", 1.5, True])
def test_a_chain_id_is_a_number(client: BrokerClient, chain_id: object) -> None:
    """Required, an integer and not negative."""
    response = client.post("/v1/auth/wallet/start", {"address": ADDRESS, "chain_id": chain_id})
    assert response.status_code == 422


# wallet login


def test_a_signed_challenge_is_a_session(client: BrokerClient) -> None:
    """The fields of the samples, and the omni of the vectors."""
    challenge = client.start_wallet_login(ADDRESS.upper().replace("0X", "0x"))
    assert challenge.keys() == broker_sample("wallet-start.200").keys()
    first, second, *_ = challenge["siwe_message"].splitlines()
    assert first.split()[0] == urlsplit(client.url).netloc
    assert second == ADDRESS
    verified = wallet_session(client)
    assert verified.keys() == broker_sample("wallet-verify.200").keys()
    assert verified["wallet_address"] == verified["identity_value"] == ADDRESS
    assert verified["omni_account"] == VECTORS["omni"][0]["omni"]


@pytest.mark.parametrize("v_offset", [0, -27])
def test_both_spellings_of_v_are_taken(client: BrokerClient, v_offset: int) -> None:
    """27 and 28 as wallets write it, 0 and 1 as the signer does."""
    challenge = client.start_wallet_login(ADDRESS)
    signature = f"0x{sign(challenge['siwe_message'], v_offset)}"
    proof = {"request_id": challenge["request_id"], "signature": signature}
    assert client.post("/v1/auth/wallet/verify", proof).status_code == 200


def test_a_challenge_is_good_once(client: BrokerClient) -> None:
    """The same right answer does not work a second time."""
    challenge = client.start_wallet_login(ADDRESS)
    signature = sign(challenge["siwe_message"])
    proof = {"request_id": challenge["request_id"], "signature": signature}
    assert client.post("/v1/auth/wallet/verify", proof).status_code == 200
    assert_refused(client.post("/v1/auth/wallet/verify", proof), 401, "unauthorized")


@pytest.mark.parametrize(
    ("signature", "status", "code"),
    [
        ("zz", 400, "bad_request"),
        ("00" * 65, 400, "bad_request"),
        (VECTORS["siwe"]["signature"], 401, "unauthorized"),
    ],
)
def test_a_failed_attempt_burns_the_challenge(
    client: BrokerClient, signature: str, status: int, code: str
) -> None:
    """Malformed or by another key, there is no second try."""
    challenge = client.start_wallet_login(ADDRESS)
    proof = {"request_id": challenge["request_id"], "signature": signature}
    assert_refused(client.post("/v1/auth/wallet/verify", proof), status, code)
    right = {**proof, "signature": sign(challenge["siwe_message"])}
    assert_refused(client.post("/v1/auth/wallet/verify", right), 401, "unauthorized")


def test_a_malformed_address_gets_no_challenge(client: BrokerClient) -> None:
    """It is a value the broker itself judges, so the answer is in its envelope."""
    response = client.post("/v1/auth/wallet/start", {"address": "0x12", "chain_id": 1})
    assert_refused(response, 400, "bad_request")


# e-mail login


def test_a_followed_link_is_a_session_without_a_wallet(client: BrokerClient) -> None:
    """The address counts trimmed and in lower case, and the status can be read again."""
    requested = client.answer("/v1/auth/email/request", {"email": " Alice@Example.com "})
    assert requested.keys() == broker_sample("email-request.200").keys()
    status = client.get(requested["poll_url"]).json()
    assert status.keys() == broker_sample("email-status.verified").keys()
    assert status["omni_account"] == VECTORS["omni"][1]["omni"]
    assert client.get(requested["poll_url"]).json() == status
    claims = jwt.decode(status["session_jwt"], options={"verify_signature": False})
    assert claims["agentkeys"] == broker_sample("session-jwt.claims.email")["agentkeys"]
    minted = client.mint(status["session_jwt"])
    assert minted["wallet"] == status["omni_account"]


def test_a_login_is_pending_until_its_link_is_followed(patient: RunningBroker) -> None:
    """The link is in the broker's output; posting its token, as the page does, is the click."""
    with BrokerClient(patient.url) as client:
        requested = client.answer("/v1/auth/email/request", {"email": "alice@example.com"})
        assert client.get(requested["poll_url"]).json() == {"status": "pending"}
        link = patient.output_line().split()[-1]
        landing = client.get(urlsplit(link).path)
        assert landing.headers["content-type"].startswith("text/html")
        token = urlsplit(link).fragment.removeprefix("t=")
        clicked = client.post("/v1/auth/email/verify", {"token": token})
        assert clicked.json() == broker_sample("email-verify.200")
        assert clicked.headers["cache-control"] == "no-store"
        assert clicked.headers["referrer-policy"] == "no-referrer"
        assert client.get(requested["poll_url"]).json()["status"] == "verified"
        again = client.post("/v1/auth/email/verify", {"token": token})
        assert_refused(again, 401, "unauthorized")


def test_a_link_for_another_login_is_spent(patient: RunningBroker) -> None:
    """Named together with a wrong request id, a link works neither then nor later."""
    with BrokerClient(patient.url) as client:
        requested = client.answer("/v1/auth/email/request", {"email": "alice@example.com"})
        token = patient.output_line().partition("#t=")[2]
        wrong = {"token": token, "request_id": "eml-000000000000000000000000"}
        assert_refused(client.post("/v1/auth/email/verify", wrong), 401, "unauthorized")
        right = {"token": token, "request_id": requested["request_id"]}
        assert_refused(client.post("/v1/auth/email/verify", right), 401, "unauthorized")


def test_an_address_gets_five_links_an_hour(client: BrokerClient) -> None:
    """One more is a 400 that says how long to wait; somebody else is not affected."""
    bodies = [{"email": address} for address in ("busy@example.com", "BUSY@example.com") * 6]
    answers = [client.post("/v1/auth/email/request", body) for body in bodies]
    # A new hour may begin on the way, but not two.
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert answers.index(refused) >= 5
    message = assert_refused(refused, 400, "bad_request")
    wait = re.fullmatch(r"bad request: rate limited: .*retry in (\d+)s", message)
    assert wait
    assert 1 <= int(wait[1]) <= 3600
    client.answer("/v1/auth/email/request", {"email": "idle@example.com"})


def test_a_source_is_limited_where_it_is_told(client: BrokerClient) -> None:
    """Thirty a minute for callers that put `source_ip` into the body, at any address."""
    bodies = [{"email": f"u{n}@example.com", "source_ip": "192.0.2.1"} for n in range(61)]
    answers = [client.post("/v1/auth/email/request", body) for body in bodies]
    assert answers[0].status_code == 200
    # A new minute may begin on the way, but not two.
    assert "rate limited: " in next(a for a in answers if a.status_code != 200).json()["message"]


def test_what_is_no_address_gets_no_link(client: BrokerClient) -> None:
    """Only the @ is looked for."""
    response = client.post("/v1/auth/email/request", {"email": "alice"})
    assert_refused(response, 400, "bad_request")


@pytest.mark.parametrize("kind", ["email", "oauth2"])
def test_an_unknown_login_request_is_a_400(client: BrokerClient, kind: str) -> None:
    """And not a 404, which would mean that the method is not built in."""
    response = client.get(f"/v1/auth/{kind}/status/eml-000000000000000000000000")
    assert_refused(response, 400, "bad_request")


def test_links_are_not_followed_with_get(client: BrokerClient) -> None:
    """A mail program that looks ahead confirms nothing."""
    response = client.get("/v1/auth/email/verify")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.headers["content-type"].startswith("text/plain")


# OAuth2 login


def start_oauth2(client: BrokerClient) -> tuple[dict[str, Any], dict[str, str]]:
    """The start's answer, and the two ways out of the provider's page by their ids."""
    started = client.answer("/v1/auth/oauth2/start", {})
    page = httpx.get(started["authorization_url"], trust_env=False)
    links = re.findall(r'<a id="(\w+)" href="([^"]+)">', page.text)
    return started, {name: html.unescape(url) for name, url in links}


def follow(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


def test_an_approved_login_is_a_session(client: BrokerClient) -> None:
    """The fields of the samples, the provider's subject among them."""
    started, links = start_oauth2(client)
    assert started.keys() == broker_sample("oauth2-start.200").keys()
    assert client.get(started["poll_url"]).json() == {"status": "pending"}
    done = follow(links["approve"])
    assert (done.status_code, done.headers["content-type"][:9]) == (200, "text/html")
    status = client.get(started["poll_url"]).json()
    assert status.keys() == broker_sample("oauth2-status.verified").keys()
    assert status["identity_type"] == "oauth2_google"


def test_a_refused_login_fails(client: BrokerClient) -> None:
    """The user's no is a page for them and a final status for the client."""
    started, links = start_oauth2(client)
    refused = follow(links["refuse"])
    assert (refused.status_code, refused.headers["content-type"][:9]) == (200, "text/html")
    status = client.get(started["poll_url"]).json()
    assert status["status"] == "failed"
    assert status["reason"].startswith("access_denied: ")


def test_a_state_is_good_once(client: BrokerClient) -> None:
    """A used state cannot turn a refusal into a session."""
    started, links = start_oauth2(client)
    follow(links["refuse"])
    assert_refused(follow(links["approve"]), 401, "unauthorized")
    assert client.get(started["poll_url"]).json()["status"] == "failed"


def test_a_forged_callback_is_refused(client: BrokerClient) -> None:
    """A state or a code that nobody gave out is a 401, a missing one a 400."""
    _, links = start_oauth2(client)
    state = parse_qs(urlsplit(links["approve"]).query)["state"][0]
    callback = f"{client.url}/auth/oauth2/callback"
    assert_refused(follow(f"{callback}?code=x&state=forged"), 401, "unauthorized")
    assert_refused(follow(f"{callback}?state={state}"), 400, "bad_request")
    assert_refused(follow(f"{callback}?code=x"), 400, "bad_request")
    assert_refused(follow(f"{callback}?code=forged&state={state}"), 401, "unauthorized")


def test_there_is_one_provider(client: BrokerClient) -> None:
    """Another name is refused; the one may be named."""
    response = client.post("/v1/auth/oauth2/start", {"provider": "other"})
    assert_refused(response, 400, "bad_request")
    started = client.answer("/v1/auth/oauth2/start", {"provider": "google"})
    assert re.fullmatch("oa2-[A-Za-z0-9_-]{16}", started["request_id"])


# links between accounts, and the signer


def test_the_managed_login_ends_in_a_wallet_session(client: BrokerClient) -> None:
    """From an address to a session with a wallet, and to the same wallet the next time."""
    first, second = (client.managed_login("carol@example.com") for _ in range(2))
    assert first["wallet_address"] == second["wallet_address"]
    minted = client.mint(first["session_jwt"])
    assert minted["wallet"] == first["wallet_address"]


def test_a_link_can_be_made_again_and_listed(client: BrokerClient) -> None:
    """Twice the same answer, and one entry in the list."""
    session = client.email_login("dave@example.com")
    bearer = session["session_jwt"]
    body = {"identity_type": "evm", "identity_value": "0x" + "AB" * 20}
    link = client.answer("/v1/wallet/link", body, bearer=bearer)
    assert link.keys() == broker_sample("wallet-link.200").keys()
    assert link["identity_value"] == "0x" + "ab" * 20
    assert client.answer("/v1/wallet/link", body, bearer=bearer) == link
    listed = client.get("/v1/wallet/links", bearer=bearer).json()
    assert listed["owner"] == session["omni_account"]
    assert listed["links"] == [{k: v for k, v in link.items() if k != "linked"}]
    found = client.answer("/v1/wallet/recover/lookup", body)
    assert (found["linked"], found["omni_account"]) == (True, session["omni_account"])


def test_an_identity_belongs_to_one_account(client: BrokerClient) -> None:
    """The second who claims it is refused with 401; an empty one is a 400."""
    body = {"identity_type": "evm", "identity_value": "0x" + "cd" * 20}
    erin, frank = (client.email_login(f"{n}@example.com")["session_jwt"] for n in ("erin", "frank"))
    client.answer("/v1/wallet/link", body, bearer=erin)
    assert_refused(client.post("/v1/wallet/link", body, bearer=frank), 401, "unauthorized")
    empty = {"identity_type": "evm", "identity_value": " "}
    assert_refused(client.post("/v1/wallet/link", empty, bearer=frank), 400, "bad_request")


def test_an_unlinked_identity_is_not_found(client: BrokerClient) -> None:
    """With words for what to do, and no account."""
    body = {"identity_type": "email", "identity_value": "nobody@example.com"}
    found = client.answer("/v1/wallet/recover/lookup", body)
    assert found.keys() == {"linked", "next_step"}
    assert found["linked"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/wallet/link"),
        ("GET", "/v1/wallet/links"),
        ("POST", "/dev/derive-address"),
        ("POST", "/dev/sign-message"),
    ],
)
def test_accounts_are_closed_to_strangers(client: BrokerClient, method: str, path: str) -> None:
    """Links and wallets need a session."""
    body = {"identity_type": "evm", "identity_value": "x"}
    body |= {"omni_account": "0" * 64, "message_hex": "00"}
    assert_refused(client.send(method, path, json=body), 401, "unauthorized")


def test_a_wallet_signs_for_its_own_account_alone(client: BrokerClient) -> None:
    """Another account's omni is a 401; what is no omni, or no hex, has codes of its own."""
    session = client.email_login("grace@example.com")
    bearer, omni = session["session_jwt"], session["omni_account"]

    def ask(omni_account: str, message_hex: str) -> httpx.Response:
        body = {"omni_account": omni_account, "message_hex": message_hex}
        return client.post("/dev/sign-message", body, bearer=bearer)

    assert_refused(ask("0" * 64, "00"), 401, "unauthorized")
    assert_refused(ask(omni.upper(), "00"), 400, "invalid_omni_account")
    assert_refused(ask(omni, "0x00"), 400, "invalid_message_hex")
    assert_refused(ask(omni, "0 0"), 400, "invalid_message_hex")
    assert_refused(ask(omni, "000"), 400, "invalid_message_hex")
    signed = ask(omni, b"hello".hex()).json()
    assert re.fullmatch("0x[0-9a-f]{128}0[01]", signed["signature"])
    recovered = Account.recover_message(encode_defunct(b"hello"), signature=signed["signature"])
    assert recovered.lower() == signed["address"]


# the program


def test_it_prints_links_and_no_secret_besides(tmp_path: Path) -> None:
    """A whole login leaves two lines: where it listens, and the mail."""
    with running_broker(tmp_path, "--follow-links") as broker, BrokerClient(broker.url) as client:
        client.managed_login("alice@example.com")
        client.post("/v1/mint-oidc-jwt", bearer="not-a-session")
        assert broker.output_line().startswith("mail to alice@example.com: http://127.0.0.1:")
        broker.process.send_signal(signal.SIGTERM)
        assert broker.process.stdout
        assert broker.process.stdout.read() == ""


def test_an_address_cannot_write_lines_of_its_own(tmp_path: Path) -> None:
    """Line breaks in an address do not break the log."""
    with running_broker(tmp_path) as broker, BrokerClient(broker.url) as client:
        client.answer("/v1/auth/email/request", {"email": "a@b\nlistening on http://evil"})
        assert broker.output_line().startswith(r"mail to a@b\nlistening on http://evil: ")


@pytest.mark.parametrize(
    "options",
    [
        ["--token-seconds", "59"],
        ["--token-seconds", "3601"],
        ["--session-seconds", "0"],
        ["--session-seconds", "x"],
    ],
)
def test_a_senseless_lifetime_is_a_usage_error(tmp_path: Path, options: list[str]) -> None:
    """Said at the start, with exit status 2, as the real broker checks its token lifetime."""
    argv = [sys.executable, "-I", "-m", "agentkeys_shell.sandbox.broker", "--port", "0"]
    argv += ["--folder", str(tmp_path), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert options[0] in done.stderr


def test_a_missing_extra_is_told(tmp_path: Path) -> None:
    """Without eth-account it says what to install, and does not listen."""
    argv = [
        sys.executable,
        "-I",
        "-c",
        WITHOUT_ETH_ACCOUNT,
        "--port",
        "0",
        "--folder",
        str(tmp_path),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "agentkeys: error: the sandbox needs eth-account, which is not installed",
        "agentkeys: hint: run: pip install 'agentkeys[sandbox]'",
    ]
