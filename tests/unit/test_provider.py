"""The provider as a service uses it: over HTTP, with a configuration, from threads and tasks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentkeys.config import Config, Profile
from agentkeys.errors import (
    BreakGlassRequired,
    ConfigError,
    StsTokenRefused,
    TokenInvalid,
    UnknownProfile,
)
from agentkeys.models import Confinement
from agentkeys.provider import AsyncCredentialProvider, CredentialProvider
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials
from tests.fakes.sts import FakeSts
from tests.support.moved_clock import MovedClock
from tests.support.profiles import PROFILE, STORE
from tests.support.providing import config_of
from tests.support.tokens import ALICE, BOB, User, sign, web_identity_claims

Ask = Callable[..., ServedCredentials]

TOML = """
[identities.me]
source = "broker"
url = "https://broker.example.com"
[stores.lab]
kind = "seaweedfs"
sts_endpoint = "{url}"
s3_endpoint = "{url}"
[profiles.data]
identity = "me"
store = "lab"
bucket = "{bucket}"
role_arn = "arn:aws:iam::000000000001:role/data"
"""


@pytest.fixture
def sts() -> Iterator[FakeSts]:
    with FakeSts("seaweedfs") as running:
        yield running


@pytest.fixture
def profile(sts: FakeSts) -> Profile:
    return replace(PROFILE, store=replace(STORE, sts_endpoint=sts.url))


@pytest.fixture
def config(profile: Profile) -> Config:
    return config_of(data=profile)


@pytest.fixture
def provider(config: Config) -> Iterator[CredentialProvider]:
    with CredentialProvider(config=config) as opened:
        yield opened


@pytest.fixture(params=["blocking", "asynchronous"])
def ask(config: Config, request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Asks a provider of either kind."""
    if request.param == "blocking":
        with CredentialProvider(config=config) as provider:
            yield provider.credentials_for
        return
    with asyncio.Runner() as runner:
        asynchronous = AsyncCredentialProvider(config=config)
        yield lambda **call: runner.run(asynchronous.credentials_for(**call))
        runner.run(asynchronous.aclose())


def a_token(user: User = ALICE, **claims: Any) -> str:
    return sign(web_identity_claims(user, at=datetime.now(UTC)) | claims)


# both kinds


def test_each_token_gets_its_own_user_s_credentials(ask: Ask, sts: FakeSts) -> None:
    """And the same ones again, without another call."""
    tokens = {user.wallet: a_token(user) for user in (ALICE, BOB)}
    for _ in range(3):
        for wallet, token in tokens.items():
            served = ask(web_identity_token=token, profile="data")
            assert (served.wallet, served.prefix) == (wallet, f"bots/{wallet}/")
    assert [sent.form["WebIdentityToken"] for sent in sts.requests] == list(tokens.values())


def test_a_profile_may_be_an_object_and_a_token_a_secret(
    ask: Ask, sts: FakeSts, profile: Profile
) -> None:
    """They are the same as by name and as text."""
    token = a_token()
    first = ask(web_identity_token=token, profile="data")
    assert ask(web_identity_token=Secret(token), profile=profile) == first
    assert ask(web_identity_token=token, profile=replace(profile, name="other")) != first
    assert len(sts.requests) == 2


@pytest.mark.parametrize("name", ["dta", "", None])
def test_a_user_without_a_setting_is_a_configuration_error(ask: Ask, name: Any) -> None:
    """Never the default profile: it may be somebody else's."""
    with pytest.raises(UnknownProfile) as problem:
        ask(web_identity_token=a_token(), profile=name)
    assert problem.value.hint


@pytest.mark.parametrize("by_name", [True, False])
def test_a_role_that_confines_nobody_has_to_name_its_user(sts: FakeSts, by_name: bool) -> None:
    """Else all whom the role trusts would be one; nothing of such a token reaches the store."""
    token = a_token()
    subject = f"agentkeys:agent:{ALICE.subject}"
    shared = replace(
        PROFILE, store=replace(STORE, sts_endpoint=sts.url), confine=Confinement("role")
    )
    profiles = {
        "shared": shared,
        "hers": replace(shared, expect_subject=subject),
        "her_wallet_s": replace(shared, expect_wallet=ALICE.wallet),
    }
    with CredentialProvider(config=config_of(**profiles)) as provider:

        def ask(name: str) -> ServedCredentials:
            profile = name if by_name else profiles[name]
            return provider.credentials_for(web_identity_token=token, profile=profile)

        for _ in range(2):
            with pytest.raises(ConfigError, match='confine = "role"') as refusal:
                ask("shared")
            assert "set expect_subject" in refusal.value.hint
            assert "\n" not in refusal.value.message + refusal.value.hint
        assert sts.requests == []
        assert ask("hers").wallet == ask("her_wallet_s").wallet == ALICE.wallet


@pytest.mark.parametrize("by_name", [True, False])
def test_a_service_breaks_no_glass(sts: FakeSts, by_name: bool) -> None:
    """That takes a person; nothing of a token reaches the store."""
    glass = replace(PROFILE, store=replace(STORE, sts_endpoint=sts.url), is_break_glass=True)
    with CredentialProvider(config=config_of(glass=glass)) as provider:
        with pytest.raises(BreakGlassRequired, match="break-glass alone"):
            provider.credentials_for(
                web_identity_token=a_token(), profile="glass" if by_name else glass
            )
        assert sts.requests == []


@pytest.mark.parametrize("token", ["", None, Secret(""), "x" * 30_000, "\ud800", "a.b.c"])
def test_what_is_no_token_is_refused(ask: Ask, sts: FakeSts, token: Any) -> None:
    """A service may well have got none."""
    with pytest.raises(TokenInvalid):
        ask(web_identity_token=token, profile="data")
    assert sts.requests == []


def test_a_refusal_says_why(ask: Ask, sts: FakeSts) -> None:
    """In the words of the store, with a code, once."""
    sts.refuse_with(400, "InvalidParameterValue", "bad signature")
    token = a_token()
    for _ in range(2):
        with pytest.raises(StsTokenRefused) as refusal:
            ask(web_identity_token=token, profile="data")
        assert refusal.value.sts_code == "InvalidParameterValue"
        assert refusal.value.code == "sts_token_refused"
    assert len(sts.requests) == 1


# threads


def test_threads_that_race_with_one_token_make_one_call(
    provider: CredentialProvider, sts: FakeSts
) -> None:
    """All 32 get the same credentials."""
    token, together = a_token(), threading.Barrier(32)

    def race(_: int) -> ServedCredentials:
        together.wait()
        return provider.credentials_for(web_identity_token=token, profile="data")

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(race, range(32)))
    assert found == [found[0]] * 32
    assert len(sts.requests) == 1


def test_threads_with_different_tokens_never_mix(
    provider: CredentialProvider, sts: FakeSts
) -> None:
    """Also while others invalidate what they hold."""
    users = [User(omni=f"{number:064x}", wallet=f"0x{number:040x}") for number in range(1, 9)]
    tokens = [a_token(user) for user in users]

    def ask(turn: int) -> bool:
        number = turn % len(users)
        served = provider.credentials_for(web_identity_token=tokens[number], profile="data")
        if turn % 5 == 0:
            provider.invalidate(served.access_key_id)
        return served.wallet == users[number].wallet

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(400)))


def test_invalidated_credentials_are_not_served_again(
    provider: CredentialProvider, sts: FakeSts
) -> None:
    """The store has rejected the key; the next call gets another one."""
    token = a_token()
    first = provider.credentials_for(web_identity_token=token, profile="data")
    assert provider.invalidate(first.access_key_id)
    assert not provider.invalidate(first.access_key_id)
    second = provider.credentials_for(web_identity_token=token, profile="data")
    assert second.access_key_id != first.access_key_id
    assert len(sts.requests) == 2


def test_the_number_of_subjects_is_bounded(config: Config, sts: FakeSts) -> None:
    """The least recently used one has to be asked for again."""
    first, second, third = a_token(), a_token(BOB), a_token(jti="third")
    with CredentialProvider(config=config, max_subjects=2) as provider:
        for token in (first, second, first, third, first):
            provider.credentials_for(web_identity_token=token, profile="data")
        assert len(sts.requests) == 3
        assert repr(provider) == "<CredentialProvider: 2 of 2 held>"
        provider.credentials_for(web_identity_token=second, profile="data")
        assert len(sts.requests) == 4
    with pytest.raises(ValueError, match="at least 1"):
        CredentialProvider(config=config, max_subjects=0)


def test_closing_ends_who_waits(config: Config, sts: FakeSts) -> None:
    """With an error; so does every later call, and the thread is gone."""
    provider = CredentialProvider(config=config)
    with ThreadPoolExecutor(1) as pool, sts.stuck():
        waiting = pool.submit(
            provider.credentials_for, web_identity_token=a_token(), profile="data"
        )
        sts.wait_for_request()
        provider.close()
        with pytest.raises(RuntimeError, match="the provider is closed"):
            waiting.result(30)
    with pytest.raises(RuntimeError, match="the provider is closed"):
        provider.credentials_for(web_identity_token=a_token(), profile="data")
    provider.close()
    assert "agentkeys-provider" not in {thread.name for thread in threading.enumerate()}


def test_an_unused_provider_starts_no_thread(config: Config) -> None:
    """A service that makes one and then forks is as good as any."""
    before = threading.active_count()
    with CredentialProvider(config=config):
        assert threading.active_count() == before


FORKING = """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks with threads
from agentkeys.provider import CredentialProvider

provider = CredentialProvider()
def ask():
    return provider.credentials_for(web_identity_token=sys.argv[1], profile="data").access_key_id

first = ask()
child = os.fork()
if not child:
    print(ask() != first, provider, flush=True)
    provider.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(ask() == first, flush=True)
provider.close()
"""


def test_the_child_of_a_fork_begins_anew(sts: FakeSts, tmp_path: Path) -> None:
    """It asks for itself, and takes nothing from its parent."""
    path = tmp_path / "config.toml"
    path.write_text(TOML.format(url=sts.url, bucket="b"), encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, "-I", "-c", FORKING, a_token()],
        env={"AGENTKEYS_CONFIG": str(path), "HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout == "True <CredentialProvider: 1 of 10000 held>\nTrue\n"


# tasks


def test_tasks_share_a_mint_and_can_be_cancelled(config: Config, sts: FakeSts) -> None:
    """One that is cancelled takes nobody with it."""

    async def story() -> None:
        token = a_token()
        async with AsyncCredentialProvider(config=config) as provider:
            with sts.stuck():
                asking = [
                    asyncio.ensure_future(
                        provider.credentials_for(web_identity_token=token, profile="data")
                    )
                    for _ in range(8)
                ]
                await asyncio.to_thread(sts.wait_for_request)
                asking[0].cancel()
            found: list[Any] = await asyncio.gather(*asking, return_exceptions=True)
            assert isinstance(found[0], asyncio.CancelledError)
            assert len({served.access_key_id for served in found[1:]}) == 1
            assert provider.invalidate(found[1].access_key_id)
            assert repr(provider) == "<AsyncCredentialProvider: 0 of 10000 held>"
        with pytest.raises(RuntimeError, match="closed"):
            await provider.credentials_for(web_identity_token=token, profile="data")

    asyncio.run(story())
    assert len(sts.requests) == 1


# the configuration


def test_a_change_of_the_configuration_counts_within_a_second(sts: FakeSts, tmp_path: Path) -> None:
    """Who is served on other terms gets other credentials; until then nothing is looked at."""
    path, clock = tmp_path / "config.toml", MovedClock(datetime.now(UTC))
    path.write_text(TOML.format(url=sts.url, bucket="old"), encoding="utf-8")
    environ = {"AGENTKEYS_CONFIG": str(path), "HOME": str(tmp_path)}
    token = a_token()
    with CredentialProvider(environ=environ, clock=clock) as provider:

        def bucket() -> str | None:
            return provider.credentials_for(web_identity_token=token, profile="data").bucket

        assert bucket() == "old"
        path.write_text(TOML.format(url=sts.url, bucket="newer"), encoding="utf-8")
        assert bucket() == "old"
        clock.move(timedelta(seconds=1))
        assert bucket() == "newer"
        path.write_text("nonsense", encoding="utf-8")
        clock.move(timedelta(seconds=1))
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"config\.toml"):
                bucket()
        path.write_text(TOML.format(url=sts.url, bucket="newer"), encoding="utf-8")
        assert bucket() == "newer"
    assert len(sts.requests) == 2
