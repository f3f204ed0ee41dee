"""A daemon that no other program of its user looks into, and one that the machine itself starts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import sandbox, sandbox_home
from tests.support.programs import Home
from tests.system.person import SHIM, USER, Person
from tests.system.system_manager import SystemManager

__all__ = ["sandbox", "sandbox_home"]

SERVICE = f"agentkeys@{USER}.service"
MOST_EXPOSED = 20
"""Of 100, as `systemd-analyze security` counts; a unit without any of it has 96."""
SYS_RESOURCE = 1 << 24
MIB = 1 << 20


# what the user's own programs see


HIDDEN = ("environ", "mem", "maps", "fd/0", "cwd", "exe")


def can_look_into(person: Person, pid: int) -> list[str]:
    """What of a process its own user may see."""
    return [name for name in HIDDEN if person.run("head", "-c0", f"/proc/{pid}/{name}").status == 0]


def test_no_program_of_the_user_looks_into_the_daemon(somebody: Person) -> None:
    """Not into its memory, its environment or its files; after a restart neither."""
    somebody.succeed("agentkeys", "daemon", "start")
    first = somebody.daemon()
    assert can_look_into(somebody, first["pid"]) == []
    restarted = json.loads(somebody.succeed("agentkeys", "daemon", "restart", "--json"))["daemon"]
    assert restarted["pid"] == first["pid"]
    assert can_look_into(somebody, first["pid"]) == []
    for daemon in (first, restarted):
        assert daemon["hardening"] == {
            "core_dumps_off": True,
            "ptrace_off": True,
            "memory_locked": False,
            "no_new_privileges": True,
        }


def test_the_daemon_still_sees_itself(somebody: Person) -> None:
    """Though /proc says that it is root's."""
    somebody.succeed("agentkeys", "daemon", "start")
    daemon = somebody.daemon()
    assert daemon["resident_bytes"] > MIB
    assert daemon["open_descriptors"] > 3


def test_what_is_missing_is_in_its_log(somebody: Person) -> None:
    """And what it would take."""
    somebody.succeed("agentkeys", "daemon", "start")
    assert "not memory locked: it needs an unlimited RLIMIT_MEMLOCK or the capability" in (
        somebody.succeed("agentkeys", "daemon", "logs")
    )


def test_one_that_hangs_is_found_and_ended(somebody: Person) -> None:
    """By whoever could not see which files it has open."""
    somebody.succeed("agentkeys", "daemon", "start")
    pid = str(somebody.daemon()["pid"])
    wake = f"kill -STOP {pid}; (sleep 2; kill -CONT {pid}) & exec "
    stop = shlex.join([str(somebody.manager.bin / "agentkeys"), "daemon", "stop", "--force"])
    assert somebody.succeed("sh", "-c", wake + stop) == "stopped\n"
    assert somebody.run("kill", "-0", pid).status != 0


HELPER = """
import subprocess, sys
argv = [sys.executable, "-I", "-m", "agentkeys.vault.helper"]
with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
    assert b"ready" in helper.stdout.readline()
    for name in sys.argv[1:]:
        try:
            with open(f"/proc/{helper.pid}/{name}", "rb"):
                print(name)
        except PermissionError:
            pass
    with open(f"/proc/{helper.pid}/status") as status:
        print(status.read())
"""


def test_nor_into_what_speaks_with_the_keyring(somebody: Person) -> None:
    """It holds every session for a moment."""
    python = somebody.manager.bin / "python3"
    said = somebody.succeed(python, "-I", "-c", HELPER, "environ", "mem", "maps").splitlines()
    assert said[0].startswith("Name:")
    assert "NoNewPrivs:\t1" in said


def test_locked_memory_is_no_more_memory(sandbox_home: Home) -> None:
    """Where it may be locked, as root may; with credentials minted, served and handed to a run."""
    sandbox_home.succeed("agentkeys", "exec", "--", "true")
    [pid] = [sandbox_home.daemon_pid()]
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    figures = dict(line.split(":", 1) for line in status.splitlines())
    document = json.loads(sandbox_home.succeed("agentkeys", "daemon", "status", "--json"))["daemon"]
    assert document["hardening"]["memory_locked"] is (int(figures["VmLck"].split()[0]) > 0)
    assert document["hardening"]["memory_locked"] is True, "run these tests as root"
    assert document["resident_bytes"] < 60 * MIB


# the system's template


@pytest.fixture(scope="module")
def template(manager: SystemManager) -> list[Path]:
    """Installed as an administrator does it."""
    done = json.loads(
        manager.succeed(manager.bin / "agentkeys", "daemon", "install", "--system", "--json")
    )
    assert done["next"] == (
        "systemctl daemon-reload && systemctl enable --now agentkeys@USER.socket"
    )
    return [manager.place(path) for path in done["written"]]


def test_systemd_counts_little_that_the_daemon_can_do(
    manager: SystemManager, template: list[Path]
) -> None:
    """OK in its own words, with a lot of room."""
    done = manager.run(
        *("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}"),
        "/etc/systemd/system/agentkeys@.service",
    )
    assert done.status == 0, done.stdout
    assert " OK " in done.stdout.splitlines()[-1]


def test_systemd_finds_nothing_wrong_with_the_template(
    manager: SystemManager, template: list[Path]
) -> None:
    """Neither a word that it does not know nor a program that is not there."""
    units = [f"/etc/systemd/system/agentkeys@{USER}.{kind}" for kind in ("service", "socket")]
    done = manager.run("systemd-analyze", "verify", *units)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    assert [path.stat().st_mode & 0o777 for path in template] == [0o644, 0o644]


@pytest.fixture
def service(manager: SystemManager, template: list[Path], sandbox_home: Home) -> Iterator[Person]:
    """The user of an instance that waits for somebody to ask."""
    config = manager.place(f"/etc/agentkeys/{USER}.toml")
    config.write_bytes((sandbox_home.state / "sandbox" / "config.toml").read_bytes())
    config.chmod(0o644)
    manager.succeed("systemctl", "daemon-reload")
    manager.succeed("systemctl", "enable", "--now", f"agentkeys@{USER}.socket")
    yield Person(
        manager,
        {
            "AGENTKEYS_SOCKET": f"/run/agentkeys/{USER}/daemon.sock",
            "AGENTKEYS_CONFIG": f"/etc/agentkeys/{USER}.toml",
            "AGENTKEYS_STATE_DIR": f"/var/lib/agentkeys/{USER}",
            "AGENTKEYS_VAULT": "memory",
        },
    )
    manager.succeed("systemctl", "disable", "--now", f"agentkeys@{USER}.socket")


def test_it_serves_the_user_of_its_instance(service: Person) -> None:
    """From the first request on, under all restrictions; it sees which program asks."""
    document = json.loads(service.succeed(SHIM))
    assert document["AccessKeyId"]
    assert service.daemon()["pid"] == service.manager.main_pid(SERVICE)
    told = service.succeed("agentkeys", "exec", "--", "printenv", "AWS_ACCESS_KEY_ID")
    assert told.strip() == document["AccessKeyId"]
    ledger = service.succeed("cat", f"/var/lib/agentkeys/{USER}/audit/ledger.jsonl")
    events = [json.loads(line) for line in ledger.splitlines()]
    serve = next(each for each in events if each["event"] == "serve")
    assert "python" in serve["exe"]
    assert {"mint", "run_start", "run_end"} <= {each["event"] for each in events}


def test_it_serves_whatever_group_its_user_is_in(service: Person) -> None:
    """As the services of one user may be; the kernel keeps more of such a program from it."""
    manager, program = service.manager, service.manager.bin / SHIM
    done = manager.run(program, user=USER, group="users", **service.environment)
    assert json.loads(done.stdout)["AccessKeyId"]


def test_it_is_confined_as_its_unit_says(service: Person) -> None:
    """As the kernel tells of the process, and after a restart still."""
    service.succeed(SHIM)
    service.succeed("agentkeys", "daemon", "restart")
    pid = service.manager.main_pid(SERVICE)
    status = service.manager.succeed("cat", f"/proc/{pid}/status")
    figures = {name: value.strip() for name, _, value in map(split, status.splitlines())}
    assert figures["Seccomp"] == "2"
    assert figures["NoNewPrivs"] == "1"
    assert int(figures["CapBnd"], 16) == int(figures["CapEff"], 16) == 0
    assert figures["Umask"] == "0077"
    seen = service.manager.run("ls", f"/proc/{pid}/root/home", f"/proc/{pid}/root/root")
    assert seen.stdout.split() == [f"/proc/{pid}/root/home:", f"/proc/{pid}/root/root:"]
    hardening = service.daemon()["hardening"]
    assert hardening.pop("memory_locked") is can_lift_limits()
    assert set(hardening.values()) == {True}


def split(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def can_lift_limits() -> bool:
    """Whether this machine's systemd may; a container's may not."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) & SYS_RESOURCE)


def test_nobody_else_reaches_it(service: Person) -> None:
    """Its socket and its folder are its user's from birth."""
    service.succeed(SHIM)
    folder = f"/run/agentkeys/{USER}"
    seen = service.manager.succeed("stat", "--format=%U %a", folder, f"{folder}/daemon.sock")
    assert seen.splitlines() == [f"{USER} 700", f"{USER} 600"]
    done = service.manager.run(service.manager.bin / SHIM, user="nobody", **service.environment)
    assert (done.status, done.stdout) != (0, "")
    assert "AccessKeyId" not in done.stdout


def test_an_installation_that_it_could_not_see_is_refused(manager: SystemManager) -> None:
    """The template hides homes and /tmp, and a unit that cannot start helps nobody."""
    hidden = "/tmp/hidden"  # noqa: S108 - what it is about
    manager.succeed("cp", "-a", manager.bin.parent, hidden)
    done = manager.run(f"{hidden}/bin/agentkeys", "daemon", "install", "--system")
    manager.succeed("rm", "-r", hidden)
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == (
        f"a daemon of the system's cannot see {hidden}/bin/python3",
        "install agentkeys for all users, such as in /opt/agentkeys",
    )


def test_it_is_taken_back(manager: SystemManager, template: list[Path]) -> None:
    """Files of ours alone; what runs is for the administrator to end."""
    program = manager.bin / "agentkeys"
    done = json.loads(manager.succeed(program, "daemon", "uninstall", "--system", "--json"))
    assert len(done["removed"]) == 2
    assert done["next"] == "systemctl stop 'agentkeys@*.socket' && systemctl daemon-reload"
    assert not any(path.exists() for path in template)
