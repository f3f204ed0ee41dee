"""Which vault serves this user on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentkeys.errors import VaultLocked, VaultUnavailable
from agentkeys.secret import Secret
from agentkeys.vault import OpenedVault, Vault, open_vault
from agentkeys.vault.keyring_vault import KeyringVault
from agentkeys.vault.opening import find_session_bus
from agentkeys.vault.settling import SettlingVault
from tests.contracts.vault_suite import VaultContract

FAKE = Path(__file__).parents[1] / "fakes" / "vault_helper.py"
SOME_BUS = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
END_WITH_THE_DAEMON = "so sessions and leases end with the daemon"
KEPT = "sessions and leases are kept in the OS keyring (secret-service)"
OUT_OF_REACH = (
    "until that changes, what it keeps is out of reach and what is new ends with the daemon"
)
PATIENT = timedelta(seconds=30)

Open = Callable[..., Awaitable[OpenedVault]]


@pytest.fixture
def opening(tmp_path: Path) -> Open:
    """`open_vault` with a helper that plays the given acts."""

    def opening(
        *acts: str,
        environment: dict[str, str] = SOME_BUS,
        limit: float = 30,
        patience: float = 30,
    ) -> Awaitable[OpenedVault]:
        return open_vault(
            environment=environment,
            helper=(sys.executable, "-I", "-S", str(FAKE), str(tmp_path), *acts),
            limit=timedelta(seconds=limit),
            patience=timedelta(seconds=patience),
        )

    return opening


async def kind_and_detail(opening: Awaitable[OpenedVault]) -> tuple[str, str]:
    opened = await opening
    await opened.vault.aclose()
    return opened.vault.kind, opened.detail


def test_a_keyring_that_answers_is_used(opening: Open) -> None:
    """The detail names the keyring."""
    assert asyncio.run(kind_and_detail(opening("answer"))) == (
        "secret-service",
        KEPT,
    )


def test_memory_when_asked(tmp_path: Path) -> None:
    """Whoever asks for memory gets it, and is told what that costs."""
    opening = open_vault(environment=SOME_BUS, mode="memory", helper=[str(tmp_path / "gone")])
    assert asyncio.run(kind_and_detail(opening)) == (
        "memory",
        f"the keyring is not used, as asked, {END_WITH_THE_DAEMON}",
    )


@pytest.mark.parametrize("backend", ["null", "fail"])
def test_memory_where_keyring_is_switched_off(opening: Open, tmp_path: Path, backend: str) -> None:
    """The keyring library's own off switch holds for us too, and starts no helper."""
    off = SOME_BUS | {"PYTHON_KEYRING_BACKEND": f"keyring.backends.{backend}.Keyring"}
    kind, detail = asyncio.run(kind_and_detail(opening("answer", environment=off)))
    assert kind == "memory"
    assert detail.startswith("PYTHON_KEYRING_BACKEND switches the OS keyring off")
    assert not (tmp_path / "starts").exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="the Keychain needs no bus")
def test_memory_without_a_session_bus(opening: Open, tmp_path: Path) -> None:
    """Where no keyring can be, none is looked for: no helper is started."""
    without = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert asyncio.run(kind_and_detail(opening("answer", environment=without))) == (
        "memory",
        f"no OS keyring answers here, {END_WITH_THE_DAEMON}",
    )
    assert not (tmp_path / "starts").exists()


def test_memory_when_no_backend_works(opening: Open, tmp_path: Path) -> None:
    """A bus without a keyring behind it means memory, and the helper is ended."""
    kind, detail = asyncio.run(kind_and_detail(opening("missing")))
    assert (kind, detail) == ("memory", f"no OS keyring answers here, {END_WITH_THE_DAEMON}")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "starts").read_text()), 0)


def test_a_locked_keyring_stays_the_vault(opening: Open) -> None:
    """Locked is not missing: each use says so, until somebody unlocks it."""

    async def story() -> str:
        opened = await opening("locked")
        with pytest.raises(VaultLocked):
            await opened.vault.load("me@lab")
        await opened.vault.aclose()
        return opened.detail

    assert asyncio.run(story()).startswith("the OS keyring is locked; ")


def test_a_silent_keyring_stays_the_vault(opening: Open) -> None:
    """A keyring too slow for the first call is asked again at the next, and told as it is then."""

    async def story() -> None:
        opened = await opening("hang", "answer", limit=1)
        assert opened.detail == f"the OS keyring did not answer within 1 s; {OUT_OF_REACH}"
        assert await opened.vault.load("me@lab") is None
        assert opened.detail == KEPT
        await opened.vault.aclose()

    asyncio.run(story())


def test_a_broken_helper_is_not_a_missing_keyring(opening: Open) -> None:
    """What cannot be looked at is not known to be absent."""

    async def story() -> None:
        opened = await opening("die")
        with pytest.raises(VaultUnavailable):
            await opened.vault.load("me@lab")
        assert opened.detail.startswith("the keyring helper failed: it ended without an answer; ")
        await opened.vault.aclose()

    asyncio.run(story())


@pytest.mark.parametrize("act", ["mute", "hang"])
def test_opening_waits_no_longer_than_its_patience(opening: Open, act: str) -> None:
    """The keyring has its whole limit all the same."""

    async def story() -> None:
        opened = await opening(act, patience=0.1)
        assert (opened.vault.kind, opened.detail) == (
            "keyring",
            f"the OS keyring has not answered yet; {OUT_OF_REACH}",
        )

    # Ends with the loop, as a daemon does that is stopped while its keyring hangs.
    asyncio.run(story())


async def until(opened: OpenedVault, detail: str) -> None:
    async with asyncio.timeout(30):
        while opened.detail != detail:  # noqa: ASYNC110 - nobody is told; a user has to look too
            await asyncio.sleep(0.01)


def test_a_slow_answer_counts_when_it_comes(opening: Open, tmp_path: Path) -> None:
    """A slow machine is not one whose keyring fails."""

    async def story() -> None:
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        opened = await opening("gate", patience=0)
        assert opened.vault.kind == "keyring"
        opened_gate = await asyncio.to_thread(gate.open, "w")
        gate.unlink()
        opened_gate.close()
        await until(opened, KEPT)
        assert opened.vault.kind == "secret-service"
        await opened.vault.aclose()

    asyncio.run(story())


def test_a_slow_machine_without_a_keyring_ends_with_memory(opening: Open, tmp_path: Path) -> None:
    """Without another call, and without its helper."""

    async def story() -> None:
        opened = await opening("missing", patience=0)
        await until(opened, f"no OS keyring answers here, {END_WITH_THE_DAEMON}")
        assert opened.vault.kind == "memory"
        await opened.vault.aclose()

    asyncio.run(story())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "starts").read_text()), 0)


def test_a_keyring_that_turns_out_to_be_missing_means_memory(opening: Open) -> None:
    """At the first call that finds out, which is done in memory then; however many ask."""

    async def story() -> None:
        opened = await opening("hang", "missing", limit=1)
        assert opened.vault.kind == "keyring"
        accounts = [f"identity-{number}@lab" for number in range(8)]
        await asyncio.gather(*(opened.vault.save(name, Secret(name)) for name in accounts))
        found = await asyncio.gather(*(opened.vault.load(name) for name in accounts))
        assert found == [Secret(name) for name in accounts]
        assert opened.vault.kind == "memory"
        assert opened.detail == f"no OS keyring answers here, {END_WITH_THE_DAEMON}"
        await opened.vault.delete(accounts[0])
        assert await opened.vault.load(accounts[0]) is None
        await opened.vault.aclose()

    asyncio.run(story())


@pytest.mark.parametrize("first", ["answer once", "locked once"])
def test_a_keyring_that_has_answered_is_never_given_up(opening: Open, first: str) -> None:
    """One that is gone for a while comes back with what it keeps."""

    async def story() -> None:
        opened = await opening(first, "missing")
        with pytest.raises(VaultUnavailable):
            await opened.vault.save("me@lab", Secret("blob"))
        assert opened.vault.kind == "secret-service"
        assert opened.detail == f"no OS keyring answers here; {OUT_OF_REACH}"
        await opened.vault.aclose()

    asyncio.run(story())


def test_a_keyring_without_a_collection_is_told_from_the_start(opening: Open) -> None:
    """Before anything is lost in it; reading it does not hide that."""

    async def story() -> None:
        opened = await opening("homeless")
        assert await opened.vault.load("me@lab") is None
        assert opened.detail == (
            f"the OS keyring has no default collection to save to; {OUT_OF_REACH}"
        )
        await opened.vault.aclose()

    asyncio.run(story())


class TestSettledVault(VaultContract):
    """What `open_vault` gives is a vault like any other."""

    @pytest.fixture
    def vault(self, tmp_path: Path) -> Vault:
        command = (sys.executable, "-I", "-S", str(FAKE), str(tmp_path), "answer")
        return SettlingVault(KeyringVault(environment={}, command=command, limit=PATIENT))


class TestVaultThatTurnsToMemory(VaultContract):
    """So is one whose keyring turns out to be missing."""

    @pytest.fixture
    def vault(self, tmp_path: Path) -> Vault:
        command = (sys.executable, "-I", "-S", str(FAKE), str(tmp_path), "missing")
        return SettlingVault(KeyringVault(environment={}, command=command, limit=PATIENT))


def test_the_helper_gets_the_bus_and_no_keyring_settings(opening: Open, bus: Path) -> None:
    """Settings of the keyring library could change a trusted backend, so they stay behind.

    So do client secrets, for which it has no use.
    """
    environment = {
        "XDG_RUNTIME_DIR": str(bus.parent),
        "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
        "KEYRING_PROPERTY_PREFERRED_COLLECTION": "/elsewhere",
        "AGENTKEYS_CLIENT_SECRET_BACKUP": "a client's secret",
    }

    async def story() -> dict[str, str]:
        opened = await opening("surroundings", environment=environment)
        seen = await opened.vault.load("me@lab")
        await opened.vault.aclose()
        assert seen is not None
        inherited: dict[str, str] = json.loads(seen.reveal())["environment"]
        return inherited

    inherited = asyncio.run(story())
    inherited.pop("LC_CTYPE", None)  # Python's own doing
    assert inherited == {
        "XDG_RUNTIME_DIR": str(bus.parent),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}",
    }


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Path]:
    """A socket where a session bus would be."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "bus"))
        yield tmp_path / "bus"


def test_the_bus_that_the_environment_names_comes_first(bus: Path) -> None:
    """An address is taken as it is."""
    environment = SOME_BUS | {"XDG_RUNTIME_DIR": str(bus.parent)}
    assert find_session_bus(environment) == "unix:path=/nowhere"


def test_the_bus_is_found_in_the_runtime_folder(bus: Path) -> None:
    """A shell without an address, such as cron's, still finds the user's bus."""
    assert find_session_bus({"XDG_RUNTIME_DIR": str(bus.parent)}) == f"unix:path={bus}"


def test_a_file_is_no_bus(tmp_path: Path) -> None:
    """Only a socket counts."""
    (tmp_path / "bus").touch()
    assert find_session_bus({"XDG_RUNTIME_DIR": str(tmp_path)}) is None
