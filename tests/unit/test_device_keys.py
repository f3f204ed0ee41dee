"""A device's key and its proof: the contract's vectors, and files that must not be trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentkeys.errors import ExtraMissing, LoginFailed
from agentkeys.ethereum import address_of, new_private_key, parse_private_key, recover_address
from agentkeys.login import prove_possession, read_device_key
from agentkeys.login.device_key import device_key_hash, pop_message
from agentkeys.secret import Secret
from tests.support.devices import DEVICE, DEVICE_KEY
from tests.support.samples import broker_sample

VECTORS = broker_sample("vectors")


def key_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "agent-device.key"
    path.write_text(content, encoding="ascii")
    path.chmod(mode)
    return path


def test_a_device_is_named_and_proved_as_in_the_contract() -> None:
    """Its address, its hash, the bytes that it signs, and the signature are the vectors'."""
    assert address_of(Secret(DEVICE_KEY)) == VECTORS["device"]["address"]
    assert device_key_hash(DEVICE.address) == VECTORS["device"]["device_key_hash"]
    assert pop_message(DEVICE.address).hex() == VECTORS["pop"]["payload_hex"]
    assert prove_possession(Secret(DEVICE_KEY)) == DEVICE


def test_every_new_key_is_another_one() -> None:
    """And proves itself."""
    first, second = new_private_key(), new_private_key()
    assert first != second
    proof = prove_possession(first)
    signer = recover_address(pop_message(proof.address), proof.signature.reveal())
    assert signer == proof.address == address_of(parse_private_key(first.reveal()))


def test_signing_leaves_the_guard_against_deep_nesting() -> None:
    """Its library would lift the recursion limit for the whole process."""
    before = sys.getrecursionlimit()
    prove_possession(Secret(DEVICE_KEY))
    assert sys.getrecursionlimit() == before < 10_000


@pytest.mark.parametrize("text", [DEVICE_KEY, f"0x{DEVICE_KEY.upper()}\n", f"  {DEVICE_KEY}\n\n"])
def test_a_key_is_read_from_a_file(tmp_path: Path, text: str) -> None:
    """64 hex digits as editors and other programs leave them."""
    assert read_device_key(key_file(tmp_path, text)) == Secret(DEVICE_KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a key",
        DEVICE_KEY[:-1],
        DEVICE_KEY + "0",
        "0" * 64,
        "f" * 64,
        DEVICE_KEY * 100,
        f"{DEVICE_KEY[:32]} {DEVICE_KEY[32:]}",
    ],
)
def test_what_is_no_key_is_refused_and_never_repeated(tmp_path: Path, text: str) -> None:
    """Zero and what lies beyond the curve's order sign nothing."""
    with pytest.raises(LoginFailed, match="does not hold a private key") as refusal:
        read_device_key(key_file(tmp_path, text))
    assert DEVICE_KEY[:8] not in f"{refusal.value.message} {refusal.value.hint}"
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644])
def test_a_key_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    """Somebody else may have it by now."""
    path = key_file(tmp_path, DEVICE_KEY, mode)
    with pytest.raises(LoginFailed, match="can be opened by others") as refusal:
        read_device_key(path)
    assert refusal.value.hint == f"run: chmod 600 {path}"


def test_a_key_behind_a_link_is_refused(tmp_path: Path) -> None:
    """Whoever can turn the link would choose the key."""
    link = tmp_path / "link"
    link.symlink_to(key_file(tmp_path, DEVICE_KEY))
    with pytest.raises(LoginFailed, match="cannot be read"):
        read_device_key(link)


def test_a_key_is_a_plain_file(tmp_path: Path) -> None:
    """A folder is none, and a pipe must not keep anybody waiting; nor is one that is not there."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path in (tmp_path, pipe, tmp_path / "absent"):
        with pytest.raises(LoginFailed, match="device key"):
            read_device_key(path)


WITHOUT_ETH_ACCOUNT = """
import sys
sys.modules["eth_account"] = None
from agentkeys.errors import ExtraMissing
from agentkeys.ethereum import new_private_key
try:
    new_private_key()
except ExtraMissing as missing:
    print(missing.hint)
"""


def test_a_missing_extra_is_told() -> None:
    """With the line that installs it."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_ETH_ACCOUNT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "run: pip install 'agentkeys[pairing]'\n"
    assert issubclass(ExtraMissing, ImportError)
