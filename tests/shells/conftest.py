"""The homes and the sandbox of the end-to-end tests, for what needs other shells and programs."""

from __future__ import annotations

from tests.e2e.conftest import home, sandbox, sandbox_home, user_home, warm_home

__all__ = ["home", "sandbox", "sandbox_home", "user_home", "warm_home"]
