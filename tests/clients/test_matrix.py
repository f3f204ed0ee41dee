"""What is written about clients is what the tests drive."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.clients import CLIENTS, Client
from tests.clients.matrix import DOCUMENT, documents, render, shown_in

TESTS = Path(__file__).resolve().parent.parent
PINS = TESTS / "clients" / "environments"


def test_the_documents_show_the_tested_table() -> None:
    """`python tests/clients/matrix.py` writes it."""
    assert DOCUMENT in documents()
    for document in documents():
        assert shown_in(document) == render()


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.environment])
def test_the_version_shown_is_the_one_installed(client: Client) -> None:
    """Every package of an environment has one version, among them the shown one."""
    if client.environment == "node":
        packages = json.loads((PINS / "package.json").read_text(encoding="utf-8"))["dependencies"]
        assert set(packages.values()) == {client.version}
        return
    pins = (PINS / f"{client.environment}.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", pin) for pin in pins)
    assert any(pin.endswith(f"=={client.version}") for pin in pins)


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.program])
def test_the_version_shown_is_debians(installed: None, client: Client) -> None:
    """On the Debian that the document names."""
    assert client.program
    option = "version" if client.name == "restic" else "--version"
    done = subprocess.run([client.program, option], capture_output=True, text=True, check=True)
    assert client.version in done.stdout


def test_the_rules_say_where_else_they_are_tested() -> None:
    """A file that is renamed is renamed there too."""
    text = (TESTS / "clients" / "test_rules.py").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:unit|e2e|integration)/test_\w+", text))
    assert named
    assert not {name for name in named if not (TESTS / f"{name}.py").is_file()}
