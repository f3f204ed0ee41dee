"""`agentkeys daemon restart`: another program in the same process, and nobody notices."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from agentkeys_shell.sandbox.processes import wait_until
from tests.support.programs import Home, read_line

SHIM = "agentkeys-credential-process"


def health(home: Home) -> dict[str, Any]:
    document = json.loads(home.succeed("agentkeys", "daemon", "status", "--json"))
    found: dict[str, Any] = document["daemon"]
    return found


def restart(home: Home, env: dict[str, str] | None = None) -> dict[str, Any]:
    document = json.loads(home.succeed("agentkeys", "daemon", "restart", "--json", env=env))
    found: dict[str, Any] = document["daemon"]
    return found


def access_key(home: Home) -> str:
    return str(json.loads(home.succeed(SHIM))["AccessKeyId"])


def test_it_is_another_program_in_the_same_process(user_home: Home) -> None:
    """On the same socket, which never goes away."""
    user_home.succeed("agentkeys", "daemon", "start")
    before, inode = health(user_home), user_home.socket.stat().st_ino
    after = restart(user_home)
    assert after["pid"] == before["pid"]
    assert after["instance"] != before["instance"]
    assert user_home.socket.stat().st_ino == inode
    assert health(user_home)["instance"] == after["instance"]


def test_what_memory_alone_holds_goes_along(user_home: Home) -> None:
    """Where there is no keyring, nobody has to log in again, and no lease is minted anew."""
    key = access_key(user_home)
    for _ in range(3):
        restart(user_home)
        assert access_key(user_home) == key


def test_what_memory_holds_reaches_no_disk_and_no_argument(user_home: Home) -> None:
    """It goes from one program to the next in memory that no file system sees."""
    document = json.loads(user_home.succeed(SHIM))
    restart(user_home)
    pid = health(user_home)["pid"]
    told = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    for name in ("SecretAccessKey", "SessionToken"):
        secret = document[name].encode()
        assert secret not in told
        for path in user_home.folder.rglob("*"):
            assert not (path.is_file() and secret in path.read_bytes()), path


def test_nobody_who_asks_meanwhile_is_refused(user_home: Home) -> None:
    """They wait in the socket's queue until the next program answers."""
    user_home.succeed(SHIM)
    ended, failures = threading.Event(), []

    def ask() -> None:
        while not ended.is_set():
            done = user_home.run(SHIM)
            if done.status != 0:
                failures.append(done)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for _ in range(5):
        restart(user_home)
    ended.set()
    for asker in askers:
        asker.join()
    assert failures == []


def test_it_takes_new_settings(user_home: Home) -> None:
    """Those of the command, and not those of the daemon that ran."""
    user_home.succeed("agentkeys", "daemon", "start")
    other = user_home.folder / "other.toml"
    other.write_text(user_home.config.read_text(encoding="utf-8"), encoding="utf-8")
    env = {"AGENTKEYS_CONFIG": str(other)}
    mismatch = user_home.run(SHIM, env=env)
    assert (mismatch.status, "another AGENTKEYS_CONFIG" in mismatch.stderr) == (1, True)
    restart(user_home, env=env)
    user_home.succeed(SHIM, env=env)


def test_its_descriptors_do_not_grow(user_home: Home) -> None:
    """Whatever goes from one program to the next is closed in the end."""
    user_home.succeed("agentkeys", "exec", "--refresh", "--", "true")
    counts = [restart(user_home)["open_descriptors"] for _ in range(6)]
    assert max(counts[1:]) <= counts[0], counts


FETCH = """\
import json, os, sys, urllib.request
url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
request = urllib.request.Request(url, headers={"Authorization": token})
print("ready", flush=True)
for line in sys.stdin:
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(json.load(answer)["AccessKeyId"], flush=True)
"""


def test_a_running_program_goes_on(user_home: Home) -> None:
    """Its endpoint stays at the same port with the same token, and gives the same lease."""
    with user_home.start("agentkeys", "exec", "--refresh", "--", "python3", "-c", FETCH) as program:
        assert read_line(program.stdout) == "ready"
        assert program.stdin
        keys = set()
        for _ in range(4):
            print("go", file=program.stdin, flush=True)
            keys.add(read_line(program.stdout))
            restart(user_home)
        (run,) = json.loads(user_home.succeed("agentkeys", "runs", "--json"))["runs"]
        assert (run["pid"], run["state"], run["door"]) == (program.pid, "live", "endpoint")
        program.stdin.close()
    assert program.returncode == 0
    assert len(keys) == 1
    assert wait_until(
        lambda: not json.loads(user_home.succeed("agentkeys", "runs", "--json"))["runs"],
        seconds=60,
    )
