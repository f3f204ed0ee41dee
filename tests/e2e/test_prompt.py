"""`agentkeys prompt` and the shells' function: what stands in a prompt, and what never may."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator

import pytest

from tests.fakes.scripted_daemon import ScriptedDaemon
from tests.support.place import SHIM, Place, place_in
from tests.support.programs import Finished, Home, new_home
from tests.support.shells import SHELLS, source
from tests.support.tokens import ALICE

PROMPT = ["agentkeys", "prompt"]
ASKED = "/v1/profiles/@default/prompt"
SLOW = {"json", "socket", "re", "datetime", "pathlib", "typing", "dataclasses", "agentkeys.errors"}
STATUS = {"bash": "$?", "zsh": "$?", "fish": "$status"}


@pytest.fixture
def place(warm_home: Home) -> Iterator[Place]:
    """Two profiles, `data` being the default one; the daemon runs, ALICE is logged in."""
    warm_home.succeed("agentkeys", "daemon", "start")
    with place_in(warm_home, ALICE) as found:
        found.tables["default_profile"] = "data"
        found.tables["profiles"]["dev"] = found.sound_profile(duration="15m")
        found.configure()
        yield found


def inherited(seconds: float) -> dict[str, str]:
    """What exec gives to a child whose credentials have that long to live."""
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    return {
        "AGENTKEYS_RUN": "abcdefghijklmnop",
        "AGENTKEYS_PROFILE": "data",
        "AGENTKEYS_USER_WALLET": ALICE.wallet,
        "AWS_CREDENTIAL_EXPIRATION": end,
    }


def assert_nothing(done: Finished) -> None:
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


# what it says


def test_a_lease_is_a_name_and_what_is_left(place: Place) -> None:
    """Of the default profile, AGENTKEYS_PROFILE's or the one that is asked for."""
    place.home.succeed(SHIM)
    assert place.home.succeed(*PROMPT) == "data 59m\n"
    assert place.home.succeed(*PROMPT, "--profile", "dev") == "dev\n"
    assert place.home.succeed(*PROMPT, env={"AGENTKEYS_PROFILE": "dev"}) == "dev\n"


def test_without_a_session_it_says_so(place: Place) -> None:
    """Nothing but a login helps."""
    place.log_out()
    assert place.home.succeed(*PROMPT) == "data !login\n"


def test_a_template_says_what_it_shows(place: Place) -> None:
    """Each field by its name; other braces are left alone."""
    place.home.succeed(SHIM)
    line = place.home.succeed(*PROMPT, "--format", "[{profile}|{who}|{left}|{state}] {} {x ${")
    ends = f"{ALICE.wallet[:6]}…{ALICE.wallet[-4:]}"
    assert line == f"[data|{ends}|59m|valid] {{}} {{x ${{\n"
    assert place.home.succeed(*PROMPT, "-p", "dev", "--format", "{left}{state}") == "none\n"


def test_an_unknown_field_is_a_mistake(home: Home) -> None:
    """Told when the prompt is written, daemon or not."""
    done = home.run(*PROMPT, "--format", "{profil} {left}")
    assert (done.status, done.stdout) == (2, "")
    error, hint = done.complaint()
    assert "{profil}" in error
    assert "{profile}" in hint


# in a shell that exec has started


def test_inside_exec_it_is_about_the_keys_there(place: Place) -> None:
    """Those of the run's profile."""
    program = place.home.program("agentkeys")
    shown = place.home.succeed("agentkeys", "exec", "-p", "dev", "--", program, "prompt")
    assert shown == "dev 14m\n"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(90_030, r"data 25h00m", id="days"),
        pytest.param(3_930, r"data 1h05m", id="hours"),
        pytest.param(150, r"data 2m", id="minutes"),
        pytest.param(50, r"data \d\ds", id="seconds"),
        pytest.param(-10, r"data expired", id="over"),
    ],
)
def test_those_keys_end_when_they_end(home: Home, seconds: int, expected: str) -> None:
    """Whatever the daemon mints meanwhile; a child may not even be able to ask it."""
    shown = home.succeed(*PROMPT, env=inherited(seconds)).strip()
    assert re.fullmatch(expected, shown), shown
    assert not home.socket.parent.exists()


@pytest.mark.parametrize("end", ["", "soon", "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00"])
def test_a_time_that_is_none_is_not_believed(home: Home, end: str) -> None:
    """The daemon would be asked, and there is none."""
    assert_nothing(home.run(*PROMPT, env=inherited(60) | {"AWS_CREDENTIAL_EXPIRATION": end}))


def test_somebody_else_s_time_is_not_ours(home: Home) -> None:
    """Other programs set the same variable, and another profile has another lease."""
    theirs = inherited(60)
    del theirs["AGENTKEYS_RUN"], theirs["AGENTKEYS_USER_WALLET"]
    assert_nothing(home.run(*PROMPT, env=theirs))
    assert_nothing(home.run(*PROMPT, "--profile", "dev", env=inherited(60)))


# when there is nothing to say


def test_no_daemon_is_started(home: Home) -> None:
    """However it is asked, and though there is a configuration."""
    home.configure("default_profile = 3")
    for options in ([], ["--profile", "data"], ["--format", "{left}"]):
        assert_nothing(home.run(*PROMPT, *options))
    assert not home.socket.parent.exists()
    assert not home.state.exists()


def test_where_nothing_is_configured_it_is_silent(home: Home) -> None:
    """A daemon runs, and has nothing to tell."""
    home.succeed("agentkeys", "daemon", "start")
    assert_nothing(home.run(*PROMPT))
    assert_nothing(home.run(*PROMPT, "--profile", "data"))


def test_a_daemon_that_hangs_does_not_keep_a_prompt(home: Home) -> None:
    """For long: any other command would wait for 25 seconds."""
    with ScriptedDaemon(home.socket, None):
        begun = time.monotonic()
        assert_nothing(home.run(*PROMPT))
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("path", ["relative.sock", "/" + "x" * 200, "/dev/null"])
def test_a_socket_that_cannot_be_is_no_news(home: Home, path: str) -> None:
    """Every other command complains of it."""
    assert_nothing(home.run(*PROMPT, env={"AGENTKEYS_SOCKET": path}))


@pytest.mark.parametrize("answer", [b"", b"a\tb\tc\n", b"a\tb\tc\td\te\n", b"\xff\n"])
def test_an_answer_that_is_none_is_not_shown(answer: bytes) -> None:
    """A daemon of another version may have others."""
    with new_home() as home, ScriptedDaemon(home.socket, {ASKED: answer}):
        assert_nothing(home.run(*PROMPT))


# what must not get through


def test_no_control_character_reaches_the_terminal() -> None:
    """Names and subjects come from outside, and a terminal obeys what it is shown."""
    evil = "\x1b]0;x\x07\u202eda\x9bta\r"
    answer = f"{evil}\t{evil}\t60\t\x1b[2J\n"
    with new_home() as home, ScriptedDaemon(home.socket, {ASKED: answer.encode()}):
        for options in ([], ["--format", "{profile}{who}{left}{state}"]):
            shown = home.succeed(*PROMPT, *options)
            assert shown.removesuffix("\n").isprintable()
            assert "da?ta" in shown


def test_values_are_not_templates() -> None:
    """What stands in a name stays what it is, and a long one is cut."""
    answer = b"{who}" + b"x" * 500 + b"\tsomebody\t60\tvalid\n"
    with new_home() as home, ScriptedDaemon(home.socket, {ASKED: answer}):
        shown = home.succeed(*PROMPT, "--format", "{profile} {who}")
    assert re.fullmatch(r"\{who\}x{59} somebody\n", shown)


# how fast it is


def test_it_imports_next_to_nothing(place: Place) -> None:
    """It has hardly twice the time that a bare interpreter takes; `make bench` measures it."""
    program = place.home.program("agentkeys")
    done = place.home.run(
        sys.executable, "-I", "-S", "-X", "importtime", program, "prompt", "--format", "{who}"
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.status == 0
    assert {"agentkeys_shell.prompt_segment", "_socket"} <= imported
    assert not SLOW & imported, sorted(imported)


# in the shells


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shells_function_adds_a_space(shell: str, home: Home) -> None:
    """And takes the program's options."""
    env = inherited(150)
    assert source(home, shell, "agentkeys_prompt", env=env).stdout == "data 2m "
    done = source(home, shell, "agentkeys_prompt --format '[{left}]'", env=env)
    assert (done.stdout, done.stderr) == ("[2m] ", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_last_command_s_status_is_kept(shell: str, home: Home) -> None:
    """For what comes after it in a prompt, whether it says something or not."""
    script = f"sh -c 'exit 7'; agentkeys_prompt; echo {STATUS[shell]}"
    assert source(home, shell, script).stdout == "7\n"
    assert source(home, shell, script, env=inherited(150)).stdout == "data 2m 7\n"


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("bash", 'echo "$PS1|$PROMPT_COMMAND|$(trap -p)"'),
        ("zsh", 'echo "$PROMPT|$RPROMPT|$precmd_functions|$options[promptsubst]"'),
        ("fish", "functions fish_prompt fish_right_prompt | string collect"),
    ],
)
def test_a_prompt_stays_as_it_was(home: Home, shell: str, script: str) -> None:
    """Until somebody puts the function into it."""
    bare = {"bash": ["--norc"], "zsh": ["-f"], "fish": []}[shell]
    before = home.run(shell, *bare, "-c", script)
    assert source(home, shell, script).stdout == before.stdout
    assert not home.socket.parent.exists()


def test_zsh_takes_no_instruction_from_it() -> None:
    """A percent sign in a prompt begins one, such as to run what follows on the next line."""
    answer = b"da%F{red}ta\t\t60\tvalid\n"
    with new_home() as home, ScriptedDaemon(home.socket, {ASKED: answer}):
        script = "setopt promptsubst; PROMPT='$(agentkeys_prompt)'; print -P $PROMPT"
        assert source(home, "zsh", script).stdout == "da%F{red}ta 1m \n"


def test_a_real_prompt_of_bash_shows_it(home: Home) -> None:
    """As the hook's first lines say to write it."""
    (home.folder / "bashrc").write_text(
        "eval \"$(agentkeys hook bash)\"\nPS1='$(agentkeys_prompt)\\$ '\n", encoding="utf-8"
    )
    bash = ["bash", "--rcfile", str(home.folder / "bashrc"), "-i"]
    with home.at_terminal(*bash, env=inherited(150)) as screen:
        screen.expect("data 2m ")
        screen.type("exit\n")
        screen.finish()
