"""Completions in real shells: names, options, other programs, and what must not happen."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

import pytest

from tests.fakes.scripted_daemon import ScriptedDaemon
from tests.support.place import ROLE, render_toml
from tests.support.programs import BIN, Home, new_home
from tests.support.shells import COMPLETING, SHELLS, require, source

TABLES = {
    "default_profile": "data",
    "identities": {
        name: {"source": "broker", "url": f"https://{name}.example.com"} for name in ("me", "robot")
    },
    "profiles": {
        name: {"identity": identity, "role_arn": ROLE}
        for name, identity in (("data", "me"), ("dev", "me"), ("backup", "robot"))
    },
}
EXEC = "agentkeys exec"
PROFILES = {"data", "dev", "backup"}


def configured(home: Home) -> Home:
    """With three profiles of two identities, and a few files to work with."""
    home.configure(render_toml(TABLES))
    for name in ("scraper.py", "notes.txt"):
        (home.work / name).touch()
    return home


@pytest.fixture(scope="module")
def quiet_home() -> Iterator[Home]:
    """Nothing may run in it: what starts a daemon fails its test."""
    with new_home() as home:
        yield configured(home)


@pytest.fixture(params=COMPLETING)
def shell(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    name: str = request.param
    return name


def asked(home: Home, *words: str) -> set[str]:
    """What the hooks are told, without a shell."""
    shown = home.succeed("agentkeys", "hook", "complete", "--", *words)
    return {line.split("\t")[1] for line in shown.splitlines()}


# what is offered


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("agentkeys dae", {"daemon"}, id="a command"),
        pytest.param("agentkeys daemon st", {"start", "status", "stop"}, id="its command"),
        pytest.param("agentkeys exec --no-s", {"--no-subreaper"}, id="an option"),
        pytest.param("agentkeys exec --profile d", {"data", "dev"}, id="a profile"),
        pytest.param("agentkeys exec -p b", {"backup"}, id="a profile after a short option"),
        pytest.param("agentkeys exec --profile=b", {"--profile=backup"}, id="after equals"),
        pytest.param("agentkeys exec --allow s3://a/:ro -p b", {"backup"}, id="a colon before"),
        pytest.param("agentkeys forget d", {"data", "dev"}, id="a profile as an argument"),
        pytest.param("agentkeys login ", {"me", "robot"}, id="an identity"),
        pytest.param("agentkeys env --format f", {"fish"}, id="a format"),
        pytest.param("agentkeys exec --set A=reg", {"A=region"}, id="a field"),
        pytest.param("agentkeys au", {"audit"}, id="the ledger"),
        pytest.param("agentkeys audit ver", {"verify"}, id="its check"),
        pytest.param("agentkeys audit --s", {"--since"}, id="its options"),
        pytest.param("agentkeys init --kind se", {"seaweedfs"}, id="a kind of store"),
        pytest.param("agentkeys-credential-process --profile b", {"backup"}, id="the shim"),
        pytest.param("agentkeys exec --allow s3://", set(), id="a rule"),
        pytest.param("agentkeys nonsense ", set(), id="after a mistake"),
        pytest.param("agentkeys login me ", {"--email", "--json"}, id="only options are left"),
    ],
)
def test_what_can_come_next_is_offered(
    quiet_home: Home, shell: str, line: str, expected: set[str]
) -> None:
    """Names are those of the configuration, and nobody starts a daemon to learn them."""
    found = set(COMPLETING[shell](quiet_home, line))
    if "--email" in expected:
        assert expected <= found
    else:
        assert found == expected
    assert not quiet_home.socket.parent.exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(f"{EXEC} -- agentkeys-cred", {"agentkeys-credential-process"}, id="a command"),
        pytest.param(f"{EXEC} scr", {"scraper.py"}, id="a script in the folder"),
        pytest.param(f"{EXEC} -- cat no", {"notes.txt"}, id="a file"),
        pytest.param(f"{EXEC} cat no", {"notes.txt"}, id="a file, without the dashes"),
        pytest.param(f"{EXEC} --allow s3://a/b:ro -p=data cat no", {"notes.txt"}, id="at the end"),
        pytest.param(f"{EXEC} --profile=data -- cat no", {"notes.txt"}, id="after equals"),
    ],
)
def test_after_exec_comes_another_program(
    quiet_home: Home, shell: str, line: str, expected: set[str]
) -> None:
    """Completed as if it were alone on the line."""
    assert expected <= set(COMPLETING[shell](quiet_home, line))


@pytest.mark.parametrize("shell", ["bash with bash-completion", "zsh", "fish"])
@pytest.mark.parametrize("options", ["--", "--set A=region --profile=data --"])
def test_that_program_s_own_completions_work(quiet_home: Home, shell: str, options: str) -> None:
    """Those of agentkeys itself, say."""
    line = f"{EXEC} {options} agentkeys daemon st"
    assert set(COMPLETING[shell](quiet_home, line)) == {"start", "status", "stop"}


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_word_in_quotes_is_completed(quiet_home: Home, shell: str, quote: str) -> None:
    """Before it is closed, which is when somebody asks."""
    (found,) = set(COMPLETING[shell](quiet_home, f"{EXEC} --profile {quote}ba"))
    assert found.strip(quote) == "backup"


def test_an_option_comes_once(quiet_home: Home) -> None:
    """Unless it can be given again."""
    found = asked(quiet_home, "agentkeys", "exec", "-p", "data", "--allow", "s3://a/", "-")
    assert not {"-p", "--profile"} & found
    assert "--allow" in found


def test_a_value_in_one_word_with_its_short_option_is_one(quiet_home: Home) -> None:
    """-pdata is no option that would still wait for its value."""
    assert asked(quiet_home, "agentkeys", "whoami", "-pdata", "") == {"me", "robot"}


# where names come from


def test_a_running_daemon_knows_the_names() -> None:
    """Also of what is nowhere in a file, such as the programs that run."""
    documents = {
        "/v1/profiles": {"profiles": [{"name": "told", "identity": "me"}]},
        "/v1/status": {
            "daemon": {"config_error": None},
            "identities": [{"name": "somebody", "source": "broker"}],
        },
        "/v1/runs": {"runs": [{"id": "abcdefghijklmnop", "program": "rclone"}]},
    }
    answers = {path: json.dumps(document).encode() for path, document in documents.items()}
    with new_home() as home, ScriptedDaemon(home.socket, answers):
        assert asked(configured(home), "agentkeys", "exec", "--profile", "") == {"told"}
        assert asked(home, "agentkeys", "login", "") == {"somebody"}
        assert asked(home, "agentkeys", "forget", "--run", "") == {"abcdefghijklmnop"}
        assert asked(home, "agentkeys", "audit", "--run", "") == {"abcdefghijklmnop"}


def test_real_daemons_are_asked_as_well(home: Home) -> None:
    """Their answers have what is looked for."""
    configured(home).succeed("agentkeys", "daemon", "start")
    assert asked(home, "agentkeys", "exec", "-p", "") == PROFILES
    assert asked(home, "agentkeys", "login", "") == {"me", "robot"}
    assert asked(home, "agentkeys", "forget", "--run", "") == set()


def test_a_daemon_with_other_settings_is_not_believed(home: Home) -> None:
    """This command would not get anything from it either."""
    configured(home).succeed("agentkeys", "daemon", "start")
    own = home.folder / "own.toml"
    own.write_text(home.config.read_text().replace("robot", "other"), encoding="utf-8")
    home.environment["AGENTKEYS_CONFIG"] = str(own)
    assert asked(home, "agentkeys", "login", "") == {"me", "other"}
    del home.environment["AGENTKEYS_CONFIG"]


def test_a_daemon_that_hangs_is_not_waited_for() -> None:
    """For longer than a second: the files know as well."""
    with new_home() as home, ScriptedDaemon(home.socket, None):
        assert asked(configured(home), "agentkeys", "exec", "-p", "") == PROFILES


@pytest.mark.parametrize("shell", SHELLS)
def test_a_broken_configuration_offers_nothing_in_silence(home: Home, shell: str) -> None:
    """What is wrong, the command itself will say."""
    home.configure("profiles = 3\n")
    assert COMPLETING[shell](home, "agentkeys exec --profile d") == []
    done = home.run("agentkeys", "hook", "complete", "--", "agentkeys", "login", "")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    assert not home.socket.parent.exists()


@pytest.mark.parametrize("words", [[], ["agentkeys"], [""], ["", ""], ["agentkeys", "--", "\n"]])
def test_odd_questions_are_no_errors(quiet_home: Home, words: Collection[str]) -> None:
    """Nobody would see them."""
    done = quiet_home.run("agentkeys", "hook", "complete", "--", *words)
    assert (done.status, done.stderr) == (0, "")


# the hooks themselves


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hook_may_be_read_twice(quiet_home: Home, shell: str) -> None:
    """And by a shell that is strict about its variables; it says nothing."""
    strict = {"bash": "set -eu", "zsh": "setopt nounset", "fish": ""}[shell]
    again = quiet_home.succeed("agentkeys", "hook", shell)
    done = source(quiet_home, shell, f"{strict}\n{again}")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hook_is_a_file_to_read_as_well(quiet_home: Home, shell: str) -> None:
    """The one that is printed."""
    require(shell)
    hook = quiet_home.folder / f"hook.{shell}"
    hook.write_text(quiet_home.succeed("agentkeys", "hook", shell), encoding="utf-8")
    bare = {"bash": ["--norc"], "zsh": ["-f"], "fish": []}[shell]
    done = quiet_home.run(shell, *bare, "-c", f"source {hook}; agentkeys_prompt")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_where_agentkeys_is_gone_nothing_breaks(quiet_home: Home, shell: str) -> None:
    """A home can outlive an installation."""
    script = {
        "bash": "PATH=/usr/bin:/bin",
        "zsh": "PATH=/usr/bin:/bin",
        "fish": "set PATH /usr/bin /bin",
    }[shell]
    done = source(quiet_home, shell, f"{script}; agentkeys_prompt")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def test_shellcheck_has_nothing_to_say(quiet_home: Home) -> None:
    """About the hook for bash; it knows neither of the others."""
    require("shellcheck")
    hook = quiet_home.succeed("agentkeys", "hook", "bash")
    done = quiet_home.run("shellcheck", "-", stdin=hook)
    assert (done.status, done.stdout) == (0, "")


def test_the_programs_are_where_the_shells_look(quiet_home: Home) -> None:
    """Else these tests would be about others."""
    found = source(quiet_home, "bash", "command -v agentkeys").stdout.strip()
    assert found == str(BIN / "agentkeys")
