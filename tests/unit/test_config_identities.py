"""Identities in the configuration: every source, its keys, and the mistakes in them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agentkeys.config import (
    CommandIdentity,
    FileIdentity,
    GithubIdentity,
    Identity,
    OidcIdentity,
    SecretPlace,
    parse_config,
)
from agentkeys.errors import ConfigError

ISSUER = 'source = "oidc"\nissuer = "https://id.example.com/"\nclient_id = "agentkeys"\n'
SERVICE = ISSUER + 'flow = "client_credentials"\n'


def identity(text: str) -> Identity:
    whole = f"[identities.me]\n{text}"
    return parse_config(whole, file="config.toml", origin="here", path=None).identities["me"]


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        identity(text)
    return caught.value


def test_an_issuer_is_named_as_it_calls_itself() -> None:
    """A closing slash is part of the name of some issuers, and tokens carry it."""
    found = identity(ISSUER)
    assert isinstance(found, OidcIdentity)
    assert (found.issuer, found.client_id) == ("https://id.example.com/", "agentkeys")
    assert (found.flow, found.token, found.scopes) == ("auto", "id", None)
    assert (found.secret, found.private_key_file, found.redirect_port) == (None, None, None)
    assert found.logs_in


@pytest.mark.parametrize(
    ("more", "audience"),
    [
        pytest.param("", "agentkeys", id="an ID token is for the client"),
        pytest.param('token = "access"\n', None, id="an access token is for anybody"),
        pytest.param('token = "access"\naudience = "store"\n', "store", id="unless asked for"),
        pytest.param('token = "access"\nresource = "urn:s"\n', "urn:s", id="as a resource"),
    ],
)
def test_whom_an_issuer_s_token_must_be_for(more: str, audience: str | None) -> None:
    """What the configuration says, where it says anything."""
    assert identity(ISSUER + more).audience == audience


def test_a_service_shows_a_secret_or_signs_with_a_key() -> None:
    """It is not in the configuration itself, whichever it is."""
    places = {
        'client_secret_env = "AGENTKEYS_CLIENT_SECRET_SYNC"': SecretPlace(
            variable="AGENTKEYS_CLIENT_SECRET_SYNC"
        ),
        'client_secret_file = "/run/secret"': SecretPlace(file=Path("/run/secret")),
        'client_secret_command = ["pass", "sync"]': SecretPlace(argv=("pass", "sync")),
    }
    for line, place in places.items():
        found = identity(SERVICE + line)
        assert isinstance(found, OidcIdentity)
        assert (found.secret, found.token, found.logs_in) == (place, "access", False)
    found = identity(SERVICE + 'private_key_file = "/run/key.pem"')
    assert isinstance(found, OidcIdentity)
    assert found.private_key_file == Path("/run/key.pem")


def test_a_token_file_is_named_here_or_by_the_client() -> None:
    """AWS_WEB_IDENTITY_TOKEN_FILE counts where the configuration names none."""
    assert identity('source = "file"\npath = "/run/token"') == FileIdentity(
        "me", Path("/run/token"), None
    )
    assert identity('source = "file"\naudience = "store"') == FileIdentity("me", None, "store")


def test_a_command_has_a_time_limit() -> None:
    """Ten seconds, unless the configuration says otherwise."""
    found = identity('source = "command"\nargv = ["gcloud", "token"]')
    assert found == CommandIdentity("me", ("gcloud", "token"), timedelta(seconds=10), None)
    quick = identity('source = "command"\nargv = ["t"]\ntimeout = "2s"')
    assert isinstance(quick, CommandIdentity)
    assert quick.timeout == timedelta(seconds=2)


def test_a_github_job_s_tokens_are_for_aws_unless_said_otherwise() -> None:
    """It is the audience that AWS's own documentation of it uses."""
    assert identity('source = "github"') == GithubIdentity("me", "sts.amazonaws.com")
    assert identity('source = "github"\naudience = "lab"') == GithubIdentity("me", "lab")


def test_identities_that_are_configured_otherwise_share_no_lease() -> None:
    """Their origins, which are part of the lease key, differ in whatever changes their tokens."""
    texts = [
        ISSUER,
        ISSUER.replace("agentkeys", "other"),
        ISSUER.replace("id.example", "id2.example"),
        ISSUER + 'token = "access"',
        ISSUER + 'audience = "a"',
        ISSUER + 'resource = "a"',
        ISSUER + 'scopes = ["openid"]',
        'source = "file"',
        'source = "file"\npath = "/a"',
        'source = "command"\nargv = ["a b"]',
        'source = "command"\nargv = ["a", "b"]',
        'source = "github"',
        'source = "broker"\nurl = "https://broker.example.com"',
    ]
    origins = [identity(text).origin for text in texts]
    assert len(set(origins)) == len(texts)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        pytest.param('source = "oidc"', "issuer is missing", "add issuer", id="no issuer"),
        pytest.param(
            ISSUER.replace("https", "http"), "which is not this machine", "https://", id="http"
        ),
        pytest.param(ISSUER + 'flow = "brwser"', "flow cannot be", '"browser"', id="flow"),
        pytest.param(ISSUER + 'token = "refresh"', "token cannot be", "id, access", id="token"),
        pytest.param(SERVICE, "nothing to show", "client_secret_env", id="no secret"),
        pytest.param(
            SERVICE + 'client_secret = "s3cr3t"', "not a known key", "client_secret", id="in clear"
        ),
        pytest.param(
            SERVICE + 'client_secret_env = "SECRET"',
            "no daemon gets to see",
            "AGENTKEYS_CLIENT_SECRET",
            id="variable",
        ),
        pytest.param(
            SERVICE + 'client_secret_file = "/s"\nclient_secret_command = ["s"]',
            "stands beside client_secret_file",
            "keep one",
            id="two secrets",
        ),
        pytest.param(
            SERVICE + 'client_secret_file = "/s"\nprivate_key_file = "/k"',
            "stands beside a client secret",
            "keep the one",
            id="secret and key",
        ),
        pytest.param(
            SERVICE + 'client_secret_file = "secret"', "not an absolute path", "~/", id="relative"
        ),
        pytest.param(ISSUER + "redirect_port = 80", "is not a port", "1024", id="port"),
        pytest.param(ISSUER + "redirect_port = true", "is not a port", "1024", id="no number"),
        pytest.param('source = "command"', "argv is missing", "argv = [", id="no command"),
        pytest.param(
            'source = "command"\nargv = "gcloud token"', "not a list", '["…"]', id="one string"
        ),
        pytest.param('source = "command"\nargv = [""]', "names no program", "path", id="empty"),
        pytest.param(
            'source = "command"\nargv = ["t"]\ntimeout = "5m"', "longer than", "18s", id="slow"
        ),
        pytest.param(
            'source = "github"\nurl = "https://github.com"', "not a known key", "audience", id="url"
        ),
        pytest.param('source = "fil"', "source cannot be", '"file"', id="source"),
        pytest.param('source = "saml"', "source cannot be", "broker, oidc", id="no such source"),
    ],
)
def test_a_mistake_in_an_identity_is_named(text: str, words: str, hint: str) -> None:
    """The key, and what would be right; never a value that may be a secret."""
    problem = refusal(text)
    assert problem.message.startswith("config.toml: identities.me.")
    assert words in problem.message
    assert hint in problem.hint
    assert "s3cr3t" not in f"{problem.message} {problem.hint}"
