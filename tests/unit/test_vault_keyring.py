"""The vault that is the OS keyring, against helpers that do as they are told."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import pytest

from agentkeys.errors import EXIT_USER_MUST_ACT, VaultError, VaultLocked, VaultUnavailable
from agentkeys.secret import Secret
from agentkeys.vault import Vault
from agentkeys.vault.keyring_vault import KeyringVault
from agentkeys.vault.telling import KeyringMissing
from tests.contracts.vault_suite import VaultContract, play

FAKE = Path(__file__).parents[1] / "fakes" / "vault_helper.py"
PATIENT = timedelta(seconds=30)
SHORT = timedelta(seconds=0.1)

Stage = Callable[..., KeyringVault]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A vault whose helper plays the given acts, one for each time that it is started."""

    def vault(*acts: str, limit: timedelta = PATIENT) -> KeyringVault:
        command = (sys.executable, "-I", "-S", str(FAKE), str(tmp_path), *acts)
        return KeyringVault(environment={"LANG": "C"}, command=command, limit=limit)

    return vault


def starts(folder: Path) -> list[int]:
    """The pid of each helper so far."""
    log = folder / "starts"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def load_once(vault: Vault) -> Secret | None:
    return await vault.load("me@lab")


async def load_twice(vault: Vault) -> tuple[object, Secret | None]:
    """What a first load raises or returns, and what a second one returns."""
    first: object
    try:
        first = await vault.load("me@lab")
    except VaultError as error:
        first = error
    return first, await vault.load("me@lab")


class TestKeyringVault(VaultContract):
    @pytest.fixture
    def vault(self, stage: Stage) -> Vault:
        return stage("answer")


def test_nothing_is_started_before_the_first_call(stage: Stage, tmp_path: Path) -> None:
    """A vault that nobody uses costs no process."""

    async def story(vault: Vault) -> list[int]:
        return starts(tmp_path)

    assert play(stage("answer"), story) == []


def test_calls_share_one_helper(stage: Stage, tmp_path: Path) -> None:
    """The helper stays for the next call, since starting it is the slow part."""
    play(stage("answer"), load_twice)
    assert len(starts(tmp_path)) == 1


def test_the_kind_is_the_helper_s_word(stage: Stage) -> None:
    """Until the keyring has answered, the vault does not claim to know which one it is."""

    async def story(vault: Vault) -> tuple[str, str]:
        before = vault.kind
        await vault.load("me@lab")
        return before, vault.kind

    assert play(stage("answer"), story) == ("keyring", "secret-service")


@pytest.mark.parametrize("act", ["mute", "hang"])
def test_silence_is_unavailable(stage: Stage, act: str) -> None:
    """A helper that blocks is waited for no longer than the limit, and is not a cache miss."""

    async def story(vault: Vault) -> None:
        with pytest.raises(VaultUnavailable, match=r"did not answer within 0\.1 s") as caught:
            await vault.load("me@lab")
        assert "AGENTKEYS_VAULT=memory" in caught.value.hint

    play(stage(act, limit=SHORT), story)


def test_a_helper_that_does_not_even_listen_is_silent_too(stage: Stage) -> None:
    """A blob that is larger than the pipe waits no longer than one that fits."""

    async def story(vault: Vault) -> None:
        with pytest.raises(VaultUnavailable, match="did not answer within 1 s"):
            await vault.save("me@lab", Secret("é" * 50_000))

    play(stage("deaf", limit=timedelta(seconds=1)), story)


def test_a_keyring_that_answers_again_is_used_again(stage: Stage, tmp_path: Path) -> None:
    """After a time-out the helper is replaced, so the next call has its own chance."""
    first, second = play(stage("hang", "answer", limit=timedelta(seconds=1)), load_twice)
    assert isinstance(first, VaultUnavailable)
    assert second is None
    assert len(starts(tmp_path)) == 2


def test_whoever_queued_behind_silence_hears_of_it_too(stage: Stage, tmp_path: Path) -> None:
    """Ten callers of a stopped keyring wait for one limit, not for ten."""

    async def story(vault: Vault) -> list[BaseException | None]:
        calls = (vault.save(f"identity-{number}@lab", Secret("blob")) for number in range(10))
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = play(stage("mute", limit=SHORT), story)
    assert {type(outcome) for outcome in outcomes} == {VaultUnavailable}
    assert len(starts(tmp_path)) <= 1


@pytest.mark.parametrize(
    "act",
    ["unready", "die", "garbage", "flood", "a list", "another id", "no blob", "half"],
)
def test_nonsense_is_unavailable_and_the_helper_replaced(stage: Stage, act: str) -> None:
    """Nothing that a broken helper says is believed, least of all that something is absent."""
    first, second = play(stage(act, "answer"), load_twice)
    assert isinstance(first, VaultUnavailable)
    assert first.message.startswith("the keyring helper failed: ")
    assert second is None


def test_a_helper_that_died_between_calls_goes_unnoticed(stage: Stage) -> None:
    """A helper killed while idle has lost nothing, so the next call just starts another."""

    async def story(vault: Vault) -> Secret | None:
        await vault.save("me@lab", Secret("blob"))
        return await vault.load("me@lab")

    assert play(stage("answer once", "answer"), story) == Secret("blob")


def test_locked_is_for_the_user_to_mend(stage: Stage) -> None:
    """A locked keyring is an error of its own, with the exit status that asks for a person."""
    vault = stage("locked")
    with pytest.raises(VaultLocked, match="the OS keyring is locked") as caught:
        play(vault, load_once)
    assert caught.value.exit_status == EXIT_USER_MUST_ACT
    assert caught.value.hint.startswith("unlock it")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("missing", "no OS keyring answers here"),
        ("failed", "the OS keyring failed: the test says so"),
    ],
)
def test_other_refusals_are_unavailable(stage: Stage, act: str, message: str) -> None:
    """Whatever else the helper reports is said in the message, together with a way out."""
    with pytest.raises(VaultUnavailable) as caught:
        play(stage(act), load_once)
    assert caught.value.message == message
    assert caught.value.hint


def test_a_keyring_without_a_collection_holds_nothing_and_takes_nothing(stage: Stage) -> None:
    """Only what cannot be done is refused; that nothing can be kept is known from the first."""

    async def story(vault: Vault) -> None:
        assert isinstance(vault, KeyringVault)
        assert await vault.load("me@lab") is None
        assert vault.trouble is not None
        await vault.delete("me@lab")
        with pytest.raises(VaultUnavailable) as caught:
            await vault.save("me@lab", Secret("blob"))
        assert caught.value.message == "the OS keyring has no default collection to save to"
        assert caught.value.message == vault.trouble.message

    play(stage("homeless"), story)


@pytest.mark.parametrize(
    ("act", "trouble", "has_answered"),
    [
        ("answer", None, True),
        ("locked", VaultLocked, True),
        ("homeless", VaultUnavailable, True),
        ("missing", KeyringMissing, False),
        ("failed", VaultUnavailable, False),
        ("hang", VaultUnavailable, False),
        ("die", VaultUnavailable, False),
    ],
)
def test_a_call_shows_what_is_wrong_and_whether_there_is_a_keyring(
    stage: Stage, act: str, trouble: type[VaultError] | None, has_answered: bool
) -> None:
    """Locked is an answer; silence, a crash and a search that failed are none."""

    async def story(vault: Vault) -> None:
        assert isinstance(vault, KeyringVault)
        assert vault.trouble is not None
        assert vault.trouble.message == "the OS keyring has not answered yet"
        with suppress(VaultError):
            await vault.load("me@lab")
        assert isinstance(vault.trouble, trouble or type(None))
        assert vault.has_answered == has_answered

    play(stage(act, limit=SHORT if act == "hang" else PATIENT), story)


def test_what_is_wrong_shows_although_nobody_waits_any_more(stage: Stage, tmp_path: Path) -> None:
    """A caller that has given up leaves the answer to those who ask what the trouble is."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    async def story(vault: Vault) -> None:
        assert isinstance(vault, KeyringVault)
        impatient = asyncio.create_task(vault.load("me@lab"))
        opened = await asyncio.to_thread(gate.open, "w")
        impatient.cancel()
        gate.unlink()
        opened.close()
        await vault.aclose()
        assert impatient.cancelled()
        assert vault.trouble is None

    play(stage("gate"), story)


def test_steps_have_the_limit_each(stage: Stage) -> None:
    """A long save of many parts is no silence."""
    assert play(stage("steps", limit=timedelta(seconds=2)), load_once) is None


def test_a_refusal_leaves_the_helper_alone(stage: Stage, tmp_path: Path) -> None:
    """A keyring that says no is healthy: its helper stays."""

    async def story(vault: Vault) -> None:
        for _ in range(2):
            with pytest.raises(VaultLocked):
                await vault.load("me@lab")

    play(stage("locked"), story)
    assert len(starts(tmp_path)) == 1


@pytest.mark.parametrize("first", ["answer once", "locked once"])
def test_another_keyring_is_not_mistaken_for_the_first(stage: Stage, first: str) -> None:
    """What one keyring holds is neither looked for nor saved in another one later."""

    async def story(vault: Vault) -> None:
        with suppress(VaultLocked):
            await vault.save("me@lab", Secret("blob"))
        with pytest.raises(VaultUnavailable, match="no OS keyring answers here"):
            await vault.load("me@lab")

    play(stage(first, "kwallet"), story)


def test_a_helper_that_cannot_start_is_unavailable(tmp_path: Path) -> None:
    """A missing interpreter is told, by name."""
    vault = KeyringVault(environment={}, command=[str(tmp_path / "gone")])
    with pytest.raises(VaultUnavailable, match=r"cannot start .*/gone: No such file"):
        play(vault, load_once)


def test_a_cancelled_caller_leaves_no_answer_behind(stage: Stage, tmp_path: Path) -> None:
    """The next caller gets its own answer, not the one that the cancelled caller left unread."""
    gate = tmp_path / "gate"

    async def story(vault: Vault) -> Secret | None:
        await vault.save("mine@lab", Secret("mine"))
        await vault.save("other@lab", Secret("somebody else's"))
        os.mkfifo(gate)
        impatient = asyncio.create_task(vault.load("other@lab"))
        opened = await asyncio.to_thread(gate.open, "w")  # the helper has the request now
        impatient.cancel()
        next_in_turn = asyncio.create_task(vault.load("mine@lab"))
        gate.unlink()
        opened.close()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return await next_in_turn

    assert play(stage("gate"), story) == Secret("mine")
    assert len(starts(tmp_path)) == 1


def test_a_closing_event_loop_leaves_no_helper_behind(stage: Stage, tmp_path: Path) -> None:
    """A call cut off by the end of the program takes its helper with it."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    vault = stage("gate")

    async def story() -> TextIO:
        caller = asyncio.create_task(vault.load("me@lab"))
        opened = await asyncio.to_thread(gate.open, "w")
        assert not caller.done()
        return opened

    with asyncio.run(story()):
        assert [has_ended(pid) for pid in starts(tmp_path)] == [True]


def test_closing_ends_the_helper(stage: Stage, tmp_path: Path) -> None:
    """No helper outlives its vault."""
    play(stage("answer"), load_twice)
    assert [has_ended(pid) for pid in starts(tmp_path)] == [True]


def test_the_helper_sees_what_it_is_given_and_no_secret(stage: Stage, tmp_path: Path) -> None:
    """Secrets travel through the pipe alone, and a terminal's ^C does not reach the helper."""

    async def story(vault: Vault) -> Secret | None:
        await vault.save("me@lab", Secret("s3cr3t"))
        return await vault.load("me@lab")

    seen = play(stage("surroundings"), story)
    assert seen is not None
    surroundings = json.loads(seen.reveal())
    assert surroundings["environment"].keys() - {"LC_CTYPE"} == {"LANG"}
    assert "s3cr3t" not in seen.reveal()
    assert [surroundings["session"]] == starts(tmp_path)


def test_the_daemon_never_imports_keyring() -> None:
    """The library, slow to import and able to block, stays in the helper."""
    program = """if True:
        import sys
        import agentkeys.vault.opening
        from agentkeys.vault import open_vault
        print({"keyring", "secretstorage", "jeepney"} & sys.modules.keys())
    """
    printed = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "set()\n"
