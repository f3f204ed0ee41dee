"""A real OpenID Connect provider, and a store that believes it: what our own code is up against."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.support.dev_broker import BrokerClient, running_broker
from tests.support.federated_store import (
    BROKER_ROLE,
    FederatedStore,
    StsRefused,
    can_list,
    can_put,
    running_federated_store,
)
from tests.support.landing import Landing, running_landing
from tests.support.oidc_client import OidcClient, claims_of
from tests.support.oidc_person import Person
from tests.support.oidc_provider import (
    ACCOUNTS,
    PEOPLE,
    RESOURCE,
    Lifetimes,
    OidcProvider,
    running_provider,
)

_PATIENCE = 30.0


@pytest.fixture
def client(oidc_provider: OidcProvider) -> Iterator[OidcClient]:
    with OidcClient(oidc_provider) as found:
        yield found


@pytest.fixture
def alice() -> Iterator[Person]:
    """Not logged in anywhere."""
    with Person("alice") as found:
        yield found


@pytest.fixture
def landing() -> Iterator[Landing]:
    with running_landing() as found:
        yield found


def log_in(person: Person, client: OidcClient, **more: str) -> dict[str, Any]:
    """The tokens of a whole authorization code flow."""
    request = client.ask_person(**more)
    answer = request.answer_in(person.log_in(request.address))
    tokens: dict[str, Any] = client.redeem(request, answer["code"]).raise_for_status().json()
    return tokens


def error_of(answer: httpx.Response) -> str:
    """Of an answer that refuses."""
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def assert_confined(store: FederatedStore, token: str, name: str) -> None:
    """The session of `token` has the folder of `name` and no other."""
    s3 = store.trade(token)
    assert can_put(s3, f"people/{name}/words.txt")
    assert can_list(s3, f"people/{name}/")
    for prefix in ("people/dave/", "people/", "bots/", ""):
        assert not can_list(s3, prefix)
        assert not can_put(s3, f"{prefix}words.txt")


def test_a_person_has_their_own_folder(
    alice: Person, client: OidcClient, oidc_provider: OidcProvider, federated_store: FederatedStore
) -> None:
    """An ID token by the code flow, signed with RS256, becomes a session for its owner alone."""
    token = log_in(alice, client)["id_token"]
    header = jwt.get_unverified_header(token)
    assert (header["alg"], bool(header["kid"])) == ("RS256", True)
    claims = claims_of(token, oidc_provider)
    assert claims["aud"] == PEOPLE
    assert {name: claims[name] for name in ACCOUNTS["alice"]} == ACCOUNTS["alice"]
    assert_confined(federated_store, token, "alice")


def test_two_people_do_not_meet(
    alice: Person, client: OidcClient, federated_store: FederatedStore
) -> None:
    """What one has put into their folder the other neither sees nor reaches."""
    with Person("bob") as bob:
        hers, his = (
            federated_store.trade(log_in(person, client)["id_token"]) for person in (alice, bob)
        )
    assert can_put(hers, "people/alice/diary.txt")
    assert not can_list(his, "people/alice/")
    assert not can_put(his, "people/alice/diary.txt")


@pytest.mark.parametrize(
    ("prove", "name"),
    [
        (OidcClient.client_credentials, "service"),
        (OidcClient.client_credentials_in_body, "service-post"),
        (OidcClient.client_credentials_by_key, "service-key"),
    ],
)
def test_a_service_has_its_own_folder(
    prove: Callable[..., httpx.Response],
    name: str,
    client: OidcClient,
    oidc_provider: OidcProvider,
    federated_store: FederatedStore,
) -> None:
    """An access token for the store's audience will do, however the service shows who it is."""
    token = prove(client, resource=RESOURCE).raise_for_status().json()["access_token"]
    assert claims_of(token, oidc_provider)["aud"] == RESOURCE
    assert_confined(federated_store, token, name)


def test_a_persons_access_token_will_do_too(
    alice: Person, client: OidcClient, oidc_provider: OidcProvider, federated_store: FederatedStore
) -> None:
    """Asked for the store's audience at login, it says as much of a person as an ID token."""
    tokens = log_in(alice, client, resource=RESOURCE)
    claims = claims_of(tokens["access_token"], oidc_provider)
    assert (claims["aud"], claims["groups"]) == (RESOURCE, ["staff"])
    assert_confined(federated_store, tokens["access_token"], "alice")
    renewed = client.refresh(tokens["refresh_token"]).json()
    assert claims_of(renewed["access_token"], oidc_provider)["aud"] == RESOURCE


def test_an_audience_is_asked_for_by_either_name(
    client: OidcClient, oidc_provider: OidcProvider
) -> None:
    """`audience`, as some providers have it, means what `resource` does."""
    token = client.client_credentials(audience=RESOURCE).json()["access_token"]
    assert claims_of(token, oidc_provider)["aud"] == RESOURCE


def test_another_audience_is_refused(client: OidcClient, federated_store: FederatedStore) -> None:
    """The store takes no token that was made for somebody else."""
    token = client.client_credentials(resource="urn:somebody:else").json()["access_token"]
    with pytest.raises(StsRefused, match="AccessDenied"):
        federated_store.trade(token)


def test_each_issuer_has_a_role_of_its_own(
    alice: Person, client: OidcClient, oidc_provider: OidcProvider, tmp_path: Path
) -> None:
    """A store that believes the broker too lets nobody into the role of the other's users."""
    with (
        running_broker(tmp_path, "--follow-links") as running,
        BrokerClient(running.url) as broker,
        running_federated_store(
            tmp_path / "store", provider=oidc_provider, broker=running.url
        ) as store,
    ):
        agent = broker.mint(broker.managed_login("eve@example.com")["session_jwt"])
        person = log_in(alice, client)["id_token"]
        s3 = store.trade(agent["jwt"], BROKER_ROLE)
        assert can_list(s3, f"bots/{agent['wallet']}/")
        assert not can_list(s3, "people/alice/")
        assert_confined(store, person, "alice")
        for token, role in ((agent["jwt"], None), (person, BROKER_ROLE)):
            with pytest.raises(StsRefused, match="AccessDenied"):
                store.trade(token, *filter(None, [role]))


def test_a_visit_ends_at_the_listener(alice: Person, client: OidcClient, landing: Landing) -> None:
    """The browser is sent to whatever port the client listens on, with state and issuer."""
    request = client.ask_person(landing.url)
    assert "Landed" in alice.visit(request.address)
    answer = request.answer_in(landing.next_address())
    assert sorted(answer) == ["code", "iss", "state"]


def test_a_person_may_refuse(alice: Person, client: OidcClient) -> None:
    """The client is told by an error in place of a code."""
    request = client.ask_person()
    answer = request.answer_in(alice.refuse(request.address))
    assert answer["error"] == "access_denied"


def test_a_code_needs_its_verifier(alice: Person, client: OidcClient) -> None:
    """PKCE is required: who has only seen the code gets nothing for it."""
    request, other = client.ask_person(), client.ask_person()
    answer = request.answer_in(alice.log_in(request.address))
    assert error_of(client.redeem(other, answer["code"])) == "invalid_grant"
    unproven = client.ask_person(code_challenge="", code_challenge_method="")
    assert unproven.answer_in(alice.log_in(unproven.address))["error"] == "invalid_request"


def test_offline_access_needs_a_consent(alice: Person, client: OidcClient) -> None:
    """Without `prompt=consent` the scope is ignored, as OpenID Connect has it."""
    tokens = log_in(alice, client, prompt="login")
    assert "refresh_token" not in tokens


def test_refresh_tokens_rotate(
    alice: Person, client: OidcClient, oidc_provider: OidcProvider
) -> None:
    """Each is good for one ID token, and brings the next."""
    first = log_in(alice, client)["refresh_token"]
    renewed = client.refresh(first).raise_for_status().json()
    assert renewed["refresh_token"] != first
    assert claims_of(renewed["id_token"], oidc_provider)["preferred_username"] == "alice"
    assert client.refresh(renewed["refresh_token"]).status_code == 200


def test_a_refresh_token_used_twice_ends_its_family(alice: Person, client: OidcClient) -> None:
    """The second use is refused, and the token that came of the first one is dead as well."""
    first = log_in(alice, client)["refresh_token"]
    second = client.refresh(first).json()["refresh_token"]
    assert error_of(client.refresh(first)) == "invalid_grant"
    assert error_of(client.refresh(second)) == "invalid_grant"


def test_a_revoked_refresh_token_is_dead(alice: Person, client: OidcClient) -> None:
    """As after a logout, or when an administrator ends it."""
    token = log_in(alice, client)["refresh_token"]
    assert client.revoke(token).status_code == 200
    assert error_of(client.refresh(token)) == "invalid_grant"


def test_a_device_is_let_in(alice: Person, client: OidcClient, oidc_provider: OidcProvider) -> None:
    """Its code becomes the tokens of the person who has typed it, and is good for once."""
    device = client.start_device()
    assert error_of(client.poll_device(device["device_code"])) == "authorization_pending"
    alice.approve(device["verification_uri"], device["user_code"])
    tokens = client.poll_device(device["device_code"]).raise_for_status().json()
    assert claims_of(tokens["id_token"], oidc_provider)["preferred_username"] == "alice"
    assert client.refresh(tokens["refresh_token"]).status_code == 200
    assert error_of(client.poll_device(device["device_code"])) == "invalid_grant"


def test_a_device_asks_too_often(client: OidcClient) -> None:
    """It is told to slow down when it comes before the interval is over."""
    device = client.start_device()
    answers = [client.poll_device(device["device_code"]) for _ in range(2)]
    assert device["interval"] == 1
    assert [error_of(answer) for answer in answers] == ["authorization_pending", "slow_down"]


def test_a_device_is_denied(alice: Person, client: OidcClient) -> None:
    """By a person who does not know it."""
    device = client.start_device()
    alice.deny(device["verification_uri_complete"], device["user_code"])
    assert error_of(client.poll_device(device["device_code"])) == "access_denied"


def test_a_device_code_expires(tmp_path: Path) -> None:
    """Nobody has typed it in time."""
    with (
        running_provider(tmp_path, lifetimes=Lifetimes(device=1)) as provider,
        OidcClient(provider) as client,
    ):
        code = client.start_device()["device_code"]
        end = time.monotonic() + _PATIENCE
        while (error := error_of(client.poll_device(code))) != "expired_token":
            assert error in ("authorization_pending", "slow_down")
            assert time.monotonic() < end
            time.sleep(0.1)


def test_lifetimes_are_the_tests_own(tmp_path: Path, alice: Person) -> None:
    """As short as a test needs them, and signed with the algorithm that it needs."""
    lifetimes = Lifetimes(id=7, access=9)
    with (
        running_provider(tmp_path, algorithm="ES256", lifetimes=lifetimes) as provider,
        OidcClient(provider) as client,
    ):
        tokens = log_in(alice, client, resource=RESOURCE)
        found = [claims_of(tokens[name], provider) for name in ("id_token", "access_token")]
        assert jwt.get_unverified_header(tokens["id_token"])["alg"] == "ES256"
        assert [claims["exp"] - claims["iat"] for claims in found] == [7, 9]


def test_a_restart_forgets_everybody(tmp_path: Path, alice: Person) -> None:
    """At the same address there is the same issuer, with other keys and without any login."""
    with running_provider(tmp_path) as first, OidcClient(first) as client:
        tokens = log_in(alice, client)
        first.stop()
        with pytest.raises(httpx.TransportError):
            client.refresh(tokens["refresh_token"])
    port = httpx.URL(first.url).port or 0
    with running_provider(tmp_path, port=port) as second, OidcClient(second) as client:
        assert second.url == first.url
        assert error_of(client.refresh(tokens["refresh_token"])) == "invalid_grant"
        with pytest.raises(ValueError, match="not enough values"):
            claims_of(tokens["id_token"], second)
