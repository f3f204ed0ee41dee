"""The endpoint as the AWS SDK for Python sees it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import CredentialRetrievalError

from agentkeys.clock import SystemClock
from agentkeys.errors import LoginRequired
from tests.support.profiles import a_lease
from tests.support.served_endpoint import ServedEndpoint


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ServedEndpoint]:
    """With the variables of a run, and nothing else that an SDK might take credentials from."""
    for name in [name for name in os.environ if name.upper().startswith(("AWS_", "HTTP"))]:
        monkeypatch.delenv(name)
    with ServedEndpoint() as served:
        served.runs.served = a_lease(minted_at=SystemClock().now())
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", served.url)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", served.token)
        yield served


def test_it_gets_credentials(served: ServedEndpoint) -> None:
    """Through its own provider, and nothing else."""
    credentials = botocore.session.Session().get_credentials()
    assert credentials is not None
    assert credentials.method == "container-role"
    frozen = credentials.get_frozen_credentials()
    assert frozen.access_key == "ASIA0000000000000001"
    assert frozen.secret_key == "secret-1"
    assert frozen.token == "session-1"


def test_it_takes_the_token_from_a_file(
    served: ServedEndpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where both are set, it is the file that counts."""
    file = tmp_path / "token"
    file.write_text(served.token, encoding="ascii")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another")
    credentials = botocore.session.Session().get_credentials()
    assert credentials is not None
    assert credentials.access_key == "ASIA0000000000000001"


def test_it_gets_new_ones_before_the_old_ones_end(served: ServedEndpoint) -> None:
    """A client that was made once goes on for as long as its run."""
    now = SystemClock().now()
    soon_over = a_lease(minted_at=now - timedelta(minutes=50))
    served.runs.served = soon_over
    credentials = botocore.session.Session().get_credentials()
    assert credentials is not None
    assert credentials.get_frozen_credentials().token == "session-1"
    served.runs.served = a_lease(minted_at=now, number=2)
    assert credentials.get_frozen_credentials().token == "session-2"


def test_a_person_sees_what_happened_and_what_to_do(served: ServedEndpoint) -> None:
    """Code, message and hint are in the error, after the three attempts that it always makes."""
    served.runs.served = LoginRequired("nobody is logged in", hint="run: agentkeys login me")
    with pytest.raises(CredentialRetrievalError) as caught:
        botocore.session.Session().get_credentials()
    shown = str(caught.value)
    assert re.search(r"\b403\b", shown)
    assert '"code": "login_required"' in shown
    assert '"message": "nobody is logged in; run: agentkeys login me"' in shown
