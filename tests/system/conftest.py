"""What the tests with a real keyring share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.secret_service import SecretService, missing_packages


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[SecretService]:
    """An unlocked keyring with a default collection."""
    if packages := missing_packages():
        pytest.fail(f"this needs real programs: apt-get install {' '.join(packages)}")
    with SecretService(tmp_path) as service:
        service.start_keyring(password="pw")
        yield service
