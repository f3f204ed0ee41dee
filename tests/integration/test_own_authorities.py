"""`ca_file`: an identity's own servers, over TLS with certificates of a private authority."""

from __future__ import annotations

import shlex
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.broker import SIGNATURE, FakeBroker
from tests.fakes.issuer import FakeIssuer
from tests.fakes.sts import FakeSts
from tests.support.authority import Authority
from tests.support.place import SHIM, Place, assert_refused
from tests.support.programs import PATIENCE, Finished, Home, read_line
from tests.support.tokens import ALICE

SIGNER = shlex.join([sys.executable, "-c", f"print({SIGNATURE!r})"])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def broker(authority: Authority) -> Iterator[FakeBroker]:
    with FakeBroker(ALICE).speak_tls(authority.server()) as running:
        yield running


@pytest.fixture
def at_home(home: Home, broker: FakeBroker, authority: Authority) -> Iterator[Place]:
    """Nobody is logged in at the broker, whose certificate only `ca_file` vouches for."""
    with FakeSts() as sts:
        place = Place(home, broker, sts)
        place.tables["identities"]["me"]["ca_file"] = str(authority.file)
        place.configure()
        yield place


def _by_wallet(place: Place) -> Finished:
    return place.home.run(
        "agentkeys", "login", "--wallet", ALICE.wallet, "--signer-command", SIGNER
    )


def _by_link(*options: str) -> Callable[[Place], Finished]:
    """A login that the person finishes elsewhere, once the program has said that it waits."""

    def log_in(place: Place) -> Finished:
        place.tables["identities"]["me"]["signer_url"] = place.broker.url
        place.configure()
        with place.home.start("agentkeys", "login", *options) as login:
            read_line(login.stderr)
            place.broker.finish_logins()
            out, rest = login.communicate(timeout=PATIENCE)
        return Finished(login.returncode, out, rest)

    return log_in


def _by_pairing(place: Place) -> Finished:
    with place.home.start("agentkeys", "login", "--pair") as login:
        read_line(login.stderr)
        place.broker.claim_pairings(ALICE)
        out, rest = login.communicate(timeout=PATIENCE)
    return Finished(login.returncode, out, rest)


WAYS = {
    "wallet": _by_wallet,
    "email": _by_link("--email", "me@example.com"),
    "oauth2": _by_link("--oauth2", "--no-browser"),
    "pairing": _by_pairing,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_login_trusts_the_file(at_home: Place, way: str) -> None:
    """Where people are at their terminal, and in the daemon, which mints with what they bring."""
    done = WAYS[way](at_home)
    assert done.status == 0, done
    assert at_home.through(SHIM).served
    assert at_home.broker.mints == 1


def test_without_the_file_nobody_is_asked(at_home: Place) -> None:
    """Neither to log in nor to mint, and the reason is said."""
    del at_home.tables["identities"]["me"]["ca_file"]
    at_home.configure()
    assert_refused(_by_wallet(at_home), 1, "was not accepted", "ca_file")
    at_home.log_in()
    assert_refused(at_home.home.run(SHIM), 1, "was not accepted", "ca_file")
    assert at_home.broker.requests == []


def test_a_file_that_has_gone_is_told_and_a_new_one_is_noticed(
    at_home: Place, authority: Authority
) -> None:
    """By a daemon that is left alone meanwhile."""
    at_home.log_in()
    authority.file.unlink()
    done = at_home.home.run(SHIM)
    assert_refused(done, 1, f"ca_file {authority.file} does not exist", "PEM")
    assert_refused(_by_wallet(at_home), 1, f"ca_file {authority.file} does not exist", "PEM")
    authority.file.write_bytes(authority.pem)
    at_home.start_over()
    assert _by_wallet(at_home).status == 0
    assert at_home.through(SHIM).served


def test_the_file_never_counts_for_the_store(at_home: Place, authority: Authority) -> None:
    """It vouches for who makes the tokens, and not for who takes them."""
    with FakeSts().speak_tls(authority.server()) as sts:
        at_home.tables["stores"]["lab"]["sts_endpoint"] = sts.url
        at_home.configure()
        at_home.log_in()
        assert_refused(at_home.home.run(SHIM), 1, "was not accepted", "SSL_CERT_FILE")
        assert at_home.broker.mints == 1
        assert sts.requests == []


@pytest.fixture
def issuer(authority: Authority) -> Iterator[FakeIssuer]:
    with FakeIssuer().speak_tls(authority.server()) as running:
        running.claims = {"groups": ["staff"]}
        yield running


@pytest.mark.parametrize("way", ["device", "browser"])
def test_a_login_at_an_issuer_trusts_the_file(
    at_home: Place, issuer: FakeIssuer, authority: Authority, way: str
) -> None:
    """Its description, its keys and its tokens."""
    at_home.tables["identities"]["me"] = {
        "source": "oidc",
        "issuer": issuer.url,
        "client_id": "people",
        "flow": way,
        "ca_file": str(authority.file),
    }
    at_home.tables["profiles"] = {"data": at_home.sound_profile(confine="claim:groups")}
    at_home.configure()
    with at_home.home.start("agentkeys", "login", "--no-browser") as login:
        line = read_line(login.stderr)
        if way == "browser":
            _browse(line.removeprefix("log in at "), authority)
        out, rest = login.communicate(timeout=PATIENCE)
    assert login.returncode == 0, (out, rest)
    assert {"/jwks", "/token"} <= {request.path for request in issuer.requests}


def _browse(address: str, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.file)
    threading.Thread(
        target=lambda: httpx.get(
            address, follow_redirects=True, trust_env=False, timeout=30, verify=context
        )
    ).start()
