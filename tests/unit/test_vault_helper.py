"""The process that talks to the OS keyring."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

from agentkeys.vault.backends import Found, NoCollection
from agentkeys.vault.helper import Desk
from agentkeys.vault.keyring_vault import HELPER
from tests.fakes.vault_keyring import ScriptedKeyring

NOTHING_WORKS = {
    "id": "1",
    "kind": None,
    "refused": "missing",
    "because": "no backend works here",
}


def desk(keyring: KeyringBackend, *, largest: int | None = None) -> Desk:
    return Desk(find=lambda _kind: Found("scripted", keyring, largest))


def request(verb: str, **fields: str) -> dict[str, str]:
    return {"id": "1", "do": verb, "account": "me@lab", **fields}


def test_a_keyring_once_used_is_asked_for_again() -> None:
    """A request that names a kind is never answered by a keyring of another."""
    asked: list[str | None] = []
    Desk(find=asked.append).answer(request("load", kind="secret-service"))
    assert asked == ["secret-service"]


def test_the_service_name_is_ours() -> None:
    """Entries lie under agentkeys-daemon, where a person can find them."""
    keyring = ScriptedKeyring()
    desk(keyring).answer(request("save", blob="s3cr3t"))
    assert keyring.kept == {("agentkeys-daemon", "me@lab"): "s3cr3t"}


def test_a_deletion_that_failed_is_told() -> None:
    """Backends raise the same error for "was not there" and "may not": only the first is fine."""

    class Undeletable(ScriptedKeyring):
        def delete_password(self, service: str, username: str) -> None:
            raise PasswordDeleteError("cancelled by user")

    keyring = Undeletable()
    at = desk(keyring)
    assert at.answer(request("delete"))["blob"] is None
    at.answer(request("save", blob="s3cr3t"))
    assert at.answer(request("delete"))["refused"] == "failed"


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (KeyringLocked("the default collection is locked"), "locked"),
        (NoCollection("there is no default collection"), "homeless"),
    ],
)
def test_locked_and_empty_keyrings_are_told_apart(error: Exception, refused: str) -> None:
    """Each has an answer of its own for every verb, and it says which keyring that is."""
    at = desk(ScriptedKeyring(error))
    for verb in ("load", "save", "delete"):
        answer = at.answer(request(verb, blob="s3cr3t"))
        assert (answer["kind"], answer["refused"]) == ("scripted", refused)


def test_a_known_limit_is_kept_to() -> None:
    """A keyring that says how much it takes is not asked for more."""
    keyring = ScriptedKeyring()
    at = desk(keyring, largest=1000)
    at.answer(request("save", blob="k" * 3000))
    assert {len(text) for text in keyring.kept.values() if text.startswith("k")} == {500}
    assert at.answer(request("load"))["blob"] == "k" * 3000


def test_every_step_is_a_sign_of_life() -> None:
    """Many small steps are told apart from one that blocks."""
    signs: list[None] = []
    keyring = Found("scripted", ScriptedKeyring(), 1000)
    at = Desk(find=lambda _kind: keyring, working=lambda: signs.append(None))
    at.answer(request("save", blob="k" * 3000))
    assert len(signs) > 6


def test_a_bus_that_is_silent_says_nothing_about_keyrings() -> None:
    """It is neither a missing keyring nor any certain one."""

    def find(_kind: str | None) -> Found | None:
        raise TimeoutError("the bus")

    answer = Desk(find=find).answer(request("load"))
    assert (answer["kind"], answer["refused"]) == (None, "failed")


def test_a_keyring_s_error_is_passed_on() -> None:
    """What a keyring gives as its reason reaches the user."""
    at = desk(ScriptedKeyring(PasswordSetError("disk full")))
    assert at.answer(request("save", blob="s3cr3t")) == {
        "id": "1",
        "kind": "scripted",
        "refused": "failed",
        "because": "PasswordSetError disk full",
    }


def test_a_foreign_error_keeps_its_text_to_itself() -> None:
    """An unexpected error may quote the value, so only its type is named."""
    at = desk(ScriptedKeyring(ValueError("cannot encode 's3cr3t'")))
    answer = at.answer(request("save", blob="s3cr3t"))
    assert answer["because"] == "ValueError"


def run_helper(*requests: dict[str, str], environment: Mapping[str, str]) -> list[object]:
    """What the real helper says until its input ends, which is when it has to end as well."""
    lines = "".join(json.dumps(each) + "\n" for each in requests)
    helper = subprocess.run(
        HELPER, input=lines, env=environment, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in helper.stdout.splitlines()]


@pytest.mark.skipif(sys.platform == "darwin", reason="the Keychain is always there")
class TestTheProcess:
    def test_without_a_bus_every_keyring_is_missing(self) -> None:
        """A missing keyring is an answer, and the process lives on for the next request."""
        answers = run_helper(request("load"), request("load"), environment={})
        assert answers == [{"ready": True}, NOTHING_WORKS, NOTHING_WORKS]

    def test_a_dead_bus_is_a_missing_keyring(self, tmp_path: Path) -> None:
        """An address that a finished session left behind has no keyring behind it."""
        stale = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path / 'bus'}"}
        answers = run_helper(request("load"), environment=stale)
        assert answers[1:] == [NOTHING_WORKS]

    def test_no_configuration_can_make_it_a_file(self, tmp_path: Path) -> None:
        """Neither keyringrc nor the environment can slip in a backend that we do not trust."""
        (tmp_path / "evil.py").write_text(PLAIN_TEXT_KEYRING)
        (tmp_path / "python_keyring").mkdir()
        (tmp_path / "python_keyring" / "keyringrc.cfg").write_text(
            f"[backend]\ndefault-keyring=evil.Keyring\nkeyring-path={tmp_path}\n"
        )
        environment = {
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
            "PYTHON_KEYRING_BACKEND": "evil.Keyring",
            "PYTHONPATH": str(tmp_path),
        }
        answers = run_helper(request("load"), environment=environment)
        assert answers[1:] == [NOTHING_WORKS]


PLAIN_TEXT_KEYRING = """
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 99
    def get_password(self, service, username):
        return "read from a plain file"
"""
