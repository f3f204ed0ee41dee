"""What the endpoint's SDKs read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from agentkeys.documents import container_credentials_document
from tests.support.profiles import a_lease


def test_it_has_all_that_any_client_looks_for() -> None:
    """On one line; each of the spellings and the code are some client's only way."""
    document = container_credentials_document(a_lease())
    assert json.loads(document) == {
        "Code": "Success",
        "AccessKeyId": "ASIA0000000000000001",
        "AccessKeyID": "ASIA0000000000000001",
        "SecretAccessKey": "secret-1",
        "Token": "session-1",
        "Expiration": "2026-06-01T13:00:00Z",
    }
    assert document.count(b"\n") == 1


@pytest.mark.parametrize(
    "at",
    [
        datetime(2030, 1, 2, 3, 4, 5, 999_999, UTC),
        datetime(2030, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_the_time_has_the_one_form_that_all_clients_take(at: datetime) -> None:
    """In whole seconds of UTC, and never later than it is."""
    document = container_credentials_document(a_lease(minted_at=at - timedelta(hours=1)))
    assert json.loads(document)["Expiration"] == "2030-01-02T03:04:05Z"
