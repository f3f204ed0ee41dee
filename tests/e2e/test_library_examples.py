"""Every program in docs/sts.md and docs/provider.md runs as it stands there, at a real store."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import jwt
import pytest

from agentkeys.claims import WALLET_CLAIM
from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.sandbox.iam import ROLE_ARN
from tests.support.document_examples import examples_of
from tests.support.programs import Home
from tests.support.python_environments import REQUESTS, python_with
from tests.support.sandbox import web_identity_tokens

EXAMPLES = [*examples_of("sts.md"), *examples_of("provider.md")]


@pytest.fixture(scope="module")
def surroundings(sandbox: SandboxRecord) -> Mapping[str, str]:
    """What the programs find in their environment."""
    alice, bob = web_identity_tokens(sandbox)
    claims = jwt.decode(alice, options={"verify_signature": False})
    return {
        "ALICE_TOKEN": alice,
        "BOB_TOKEN": bob,
        "PREFIX": f"bots/{claims[WALLET_CLAIM]}/nothing/",
        "ROLE_ARN": ROLE_ARN,
        "STS_ENDPOINT": sandbox.store.url,
        "WEB_IDENTITY_TOKEN": alice,
    }


def interpreter(program: str) -> Path:
    """One that has what the program imports."""
    return python_with(REQUESTS) if "import requests" in program else Path(sys.executable)


@pytest.mark.parametrize(("program", "output"), EXAMPLES)
def test_the_example_works(
    sandbox_home: Home, surroundings: Mapping[str, str], program: str, output: str
) -> None:
    """With nothing but a token and a store; warnings are errors."""
    script = sandbox_home.work / "example.py"
    script.write_text(program, encoding="utf-8")
    argv = (interpreter(program), "-I", "-W", "error", script)
    assert sandbox_home.succeed(*argv, env=surroundings) == output
