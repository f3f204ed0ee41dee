"""`agentkeys daemon install` and `uninstall`: what they write, and whom they tell."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import stat
from pathlib import Path

import pytest

import tests.fakes
from agentkeys.errors import ConfigError
from agentkeys.interpreter import own_module
from agentkeys_shell.units import render_units
from tests.support.programs import BIN, Home

INSTALL = ("agentkeys", "daemon", "install")
UNINSTALL = ("agentkeys", "daemon", "uninstall")
BY_HAND = "systemctl --user daemon-reload && systemctl --user enable --now agentkeys.socket"


class Manager:
    """The systemctl that the programs of a home find first."""

    def __init__(self, home: Home) -> None:
        folder = home.folder / "systemctl"
        folder.mkdir()
        source = Path(tests.fakes.__file__).with_name("systemctl.sh")
        shutil.copyfile(source, folder / "systemctl")
        (folder / "systemctl").chmod(0o700)
        home.environment["PATH"] = f"{folder}:{home.environment['PATH']}"
        self._home = Path(home.environment["HOME"])

    def set(self, *facts: str) -> None:
        for fact in facts:
            (self._home / fact).touch()

    def changes(self) -> list[str]:
        """What it was asked to do since the last time, without mere questions."""
        asked = self._home / "asked"
        lines = asked.read_text(encoding="utf-8").splitlines() if asked.exists() else []
        asked.unlink(missing_ok=True)
        orders = [line.removeprefix("--user ") for line in lines]
        return [order for order in orders if not order.startswith(("is-active", "show-"))]


@pytest.fixture
def manager(home: Home) -> Manager:
    return Manager(home)


def unit_paths(home: Home) -> list[Path]:
    folder = Path(home.environment["XDG_CONFIG_HOME"]) / "systemd" / "user"
    return [folder / "agentkeys.service", folder / "agentkeys.socket"]


def settings(text: str) -> list[str]:
    """The lines of a unit file that set something."""
    return [line for line in text.splitlines() if line and line[0] not in "#["]


# what is written


def test_the_units_start_this_very_installation(home: Home, manager: Manager) -> None:
    """At the socket that this user's clients ask, with the settings that this command has."""
    home.succeed(*INSTALL)
    service, socket = (settings(path.read_text(encoding="utf-8")) for path in unit_paths(home))
    [command] = (line for line in service if line.startswith("ExecStart="))
    interpreter, _, rest = command.removeprefix("ExecStart=:").partition(" ")
    assert Path(interpreter).parent == BIN
    assert rest == " ".join(own_module("agentkeys_daemon")[1:])
    assert 'Environment="AGENTKEYS_VAULT=memory"' in service
    assert f'Environment="AGENTKEYS_STATE_DIR={home.state}"' in service
    assert any(line.startswith("UnsetEnvironment=AGENTKEYS_SOCKET ") for line in service)
    assert f"ListenStream={home.socket}" in socket
    assert {"SocketMode=0600", "DirectoryMode=0700"} <= set(socket)
    assert {"UMask=0077", "NoNewPrivileges=yes"} <= set(service)


def test_relative_settings_mean_the_callers_folder(home: Home, manager: Manager) -> None:
    """As for every daemon that a command starts."""
    home.succeed(*INSTALL, env={"AGENTKEYS_CONFIG": "own.toml"})
    service = settings(unit_paths(home)[0].read_text(encoding="utf-8"))
    assert f'Environment="AGENTKEYS_CONFIG={home.work}/own.toml"' in service


def test_no_secret_and_no_proxy_is_written(home: Home, manager: Manager) -> None:
    """A proxy's address may hold a password; and the files are the user's alone."""
    env = {"HTTPS_PROXY": "http://me:secret@proxy.example.com", "AWS_SECRET_ACCESS_KEY": "secret"}
    home.succeed(*INSTALL, env=env)
    for path in unit_paths(home):
        assert "secret" not in path.read_text(encoding="utf-8")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_print_writes_nothing(home: Home, manager: Manager) -> None:
    """It shows what would be written, for people and for programs."""
    shown = home.succeed(*INSTALL, "--print")
    document = json.loads(home.succeed(*INSTALL, "--print", "--json"))
    assert [file["path"] for file in document["files"]] == list(map(str, unit_paths(home)))
    for file in document["files"]:
        assert f"==> {file['path']} <==\n{file['content']}" in shown
    assert not unit_paths(home)[0].parent.exists()
    assert manager.changes() == []
    home.succeed(*INSTALL)
    for path, file in zip(unit_paths(home), document["files"], strict=True):
        assert path.read_text(encoding="utf-8") == file["content"]


def test_a_file_of_somebody_elses_is_left_alone(home: Home, manager: Manager) -> None:
    """Neither replaced nor removed, nor anything else written."""
    service, socket = unit_paths(home)
    socket.parent.mkdir(parents=True)
    socket.write_text("[Socket]\nListenStream=/run/mine\n", encoding="utf-8")
    done = home.run(*INSTALL)
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint()[0] == f"{socket} is there and was not written by agentkeys"
    assert home.succeed(*UNINSTALL) == "nothing was installed\n"
    assert socket.read_text(encoding="utf-8") == "[Socket]\nListenStream=/run/mine\n"
    assert not service.exists()
    assert manager.changes() == []


def test_a_masked_unit_stays_masked(home: Home, manager: Manager) -> None:
    """`systemctl mask` makes a link to /dev/null."""
    service, _ = unit_paths(home)
    service.parent.mkdir(parents=True)
    service.symlink_to("/dev/null")
    assert home.run(*INSTALL).status == 1
    assert service.readlink() == Path("/dev/null")


def test_a_folder_that_cannot_be_written_is_told(home: Home, manager: Manager) -> None:
    """With the file that could not be."""
    folder = unit_paths(home)[0].parent
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way", encoding="utf-8")
    done = home.run(*INSTALL)
    assert (done.status, done.stdout) == (1, "")
    assert str(folder) in done.complaint()[0]


@pytest.mark.parametrize(
    "env",
    [{"AGENTKEYS_CONFIG": "/a\nb"}, {"AGENTKEYS_SOCKET": "/a\nb"}, {"AGENTKEYS_SOCKET": "/a/b "}],
    ids=str,
)
def test_what_no_unit_can_hold_is_refused(home: Home, env: dict[str, str]) -> None:
    """A line of a setting must not become a line of the unit."""
    done = home.run(*INSTALL, "--print", env=env)
    assert (done.status, done.stdout) == (1, "")
    assert "no unit can hold" in done.complaint()[0]


# the template for the system


def test_the_systems_template_is_printed_for_everybody(home: Home, manager: Manager) -> None:
    """An instance for each user, with settings that depend on nobody's environment."""
    shown = json.loads(home.succeed(*INSTALL, "--system", "--print", "--json"))
    service, socket = shown["files"]
    folder = "/etc/systemd/system"
    assert service["path"] == f"{folder}/agentkeys@.service"
    assert socket["path"] == f"{folder}/agentkeys@.socket"
    lines = settings(service["content"])
    assert {"User=%i", "UMask=0077", "ProtectSystem=strict", "CapabilityBoundingSet="} <= set(lines)
    [command] = (line for line in lines if line.startswith("ExecStart="))
    assert command.startswith(f"ExecStart=:{BIN}/")
    assert command.endswith(" ".join(own_module("agentkeys_daemon")[1:]))
    assert "Environment=AGENTKEYS_STATE_DIR=%S/agentkeys/%i" in lines
    assert str(home.folder) not in service["content"]
    assert {"SocketUser=%i", "SocketMode=0600"} <= set(settings(socket["content"]))
    assert manager.changes() == []


def test_without_the_template_there_is_nothing_to_take_back(home: Home, manager: Manager) -> None:
    """And the user's own units are left alone."""
    home.succeed(*INSTALL)
    if not Path("/etc/systemd/system/agentkeys@.service").exists():
        assert home.succeed(*UNINSTALL, "--system") == "nothing was installed\n"
    assert all(path.exists() for path in unit_paths(home))


# whom it is handed to


def test_install_enables_the_socket_and_uninstall_disables_it(home: Home, manager: Manager) -> None:
    """What is there already is not written again; what is gone is not removed again."""
    service, socket = unit_paths(home)
    done = "installed: the daemon starts when it is first asked\n"
    assert home.succeed(*INSTALL) == f"wrote {service}\nwrote {socket}\n{done}"
    assert manager.changes() == [
        "daemon-reload",
        "enable agentkeys.socket",
        "restart agentkeys.socket",
    ]
    assert home.succeed(*INSTALL) == done
    assert manager.changes()[-1] == "start agentkeys.socket"
    assert home.succeed(*UNINSTALL) == f"removed {service}\nremoved {socket}\n"
    assert manager.changes() == ["disable --now agentkeys.socket", "daemon-reload"]
    assert not service.exists()
    assert not socket.exists()
    assert home.succeed(*UNINSTALL) == "nothing was installed\n"
    assert manager.changes() == []


def test_both_answer_programs(home: Home, manager: Manager) -> None:
    """With the same facts."""
    paths = list(map(str, unit_paths(home)))
    document = json.loads(home.succeed(*INSTALL, "--json"))
    assert document == {"version": 1, "files": paths, "written": paths, "next": None}
    document = json.loads(home.succeed(*UNINSTALL, "--json"))
    assert document == {"version": 1, "removed": paths, "next": None}


def test_without_a_manager_it_says_what_to_run(home: Home, manager: Manager) -> None:
    """As in a container; the files are there for the next login."""
    manager.set("no-manager")
    assert home.succeed(*INSTALL).splitlines()[-1] == f"next: {BY_HAND}"
    assert json.loads(home.succeed(*INSTALL, "--json"))["next"] == BY_HAND
    home.succeed("agentkeys", "daemon", "start")
    document = json.loads(home.succeed(*INSTALL, "--json"))
    assert document["next"] == f"agentkeys daemon stop && {BY_HAND}"
    home.succeed(*UNINSTALL)
    assert manager.changes() == []
    assert not unit_paths(home)[0].exists()


def test_without_systemctl_it_says_the_same(home: Home) -> None:
    """The files may be for another machine that shares this home."""
    home.environment["PATH"] = str(home.work)
    assert home.succeed(*INSTALL).splitlines()[-1] == f"next: {BY_HAND}"


def test_a_daemon_that_runs_is_left_alone(home: Home, manager: Manager) -> None:
    """Its session may be in memory alone; systemd must not take its socket either."""
    home.succeed("agentkeys", "daemon", "start")
    pid = home.daemon_pid()
    document = json.loads(home.succeed(*INSTALL, "--json"))
    assert document["next"] == "agentkeys daemon stop && systemctl --user start agentkeys.socket"
    assert manager.changes() == ["daemon-reload", "enable agentkeys.socket"]
    assert home.daemon_pid() == pid


def test_a_daemon_of_systemds_own_gets_new_settings_when_the_user_says_so(
    home: Home, manager: Manager
) -> None:
    """It goes on with the old ones, and nothing is left to do where nothing has changed."""
    manager.set("active-agentkeys.service", "active-agentkeys.socket")
    document = json.loads(home.succeed(*INSTALL, "--json"))
    assert document["next"] == "systemctl --user restart agentkeys.socket"
    assert json.loads(home.succeed(*INSTALL, "--json"))["next"] is None
    assert manager.changes() == ["daemon-reload", "enable agentkeys.socket"] * 2


def test_a_manager_that_refuses_is_told(home: Home, manager: Manager) -> None:
    """In its own words."""
    manager.set("broken")
    done = home.run(*INSTALL)
    assert done.status == 1
    assert done.complaint()[0] == "systemctl --user daemon-reload failed: Failed: it is broken"


# elsewhere


def test_launchd_gets_an_agent_with_the_same_facts(home: Home) -> None:
    """A property list that runs the daemon at login, at the socket that clients ask."""
    [agent] = render_units(home.environment, platform="darwin")
    folder = Path(home.environment["HOME"]) / "Library" / "LaunchAgents"
    assert agent.path == folder / "io.agentkeys.daemon.plist"
    found = plistlib.loads(agent.content.encode())
    assert found["Label"] == "io.agentkeys.daemon"
    assert found["ProgramArguments"] == own_module("agentkeys_daemon")
    environment = found["EnvironmentVariables"]
    assert environment["AGENTKEYS_SOCKET"] == str(home.socket)
    assert environment["AGENTKEYS_STATE_DIR"] == str(home.state)
    assert (found["RunAtLoad"], found["KeepAlive"], found["Umask"]) == (True, False, 0o077)


def test_a_property_list_can_hold_any_printable_setting(home: Home) -> None:
    """Markup in it stays text."""
    odd = "/srv/<key>&\"'$x %h ä"
    [agent] = render_units(home.environment | {"AGENTKEYS_CONFIG": odd}, platform="darwin")
    found = plistlib.loads(agent.content.encode())
    assert found["EnvironmentVariables"]["AGENTKEYS_CONFIG"] == odd


@pytest.mark.parametrize("value", ["/a\0b", os.fsdecode(b"/a\xff")], ids=ascii)
def test_a_setting_that_is_no_text_is_refused_everywhere(home: Home, value: str) -> None:
    """Before anything is written."""
    for platform in ("linux", "darwin"):
        with pytest.raises(ConfigError, match="no unit can hold"):
            render_units(home.environment | {"AGENTKEYS_CONFIG": value}, platform=platform)


@pytest.mark.parametrize("config_home", ["", "relative"])
def test_units_lie_below_the_home_by_default(home: Home, config_home: str) -> None:
    """The XDG specification has a relative folder ignored."""
    units = render_units(home.environment | {"XDG_CONFIG_HOME": config_home}, platform="linux")
    folder = Path(home.environment["HOME"]) / ".config" / "systemd" / "user"
    assert [unit.path.parent for unit in units] == [folder, folder]
