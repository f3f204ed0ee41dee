"""Where the configuration is found, and whom it is believed from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from agentkeys.config import ConfigSource
from agentkeys.errors import ConfigError, UnknownProfile
from agentkeys.paths import Paths
from agentkeys.processes import ProcessId
from agentkeys.sandbox_record import (
    SandboxProcess,
    SandboxRecord,
    save_sandbox_record,
)

ROLE = "arn:aws:iam::000000000001:role/agentkeys-data"
FROM_ENVIRONMENT = {
    "AGENTKEYS_BROKER_URL": "https://env.example.com",
    "AGENTKEYS_DATA_ROLE_ARN": ROLE,
}


def a_config(name: str, url: str = "https://file.example.com") -> str:
    return (
        f'[identities.{name}]\nsource = "broker"\nurl = "{url}"\n'
        f'[profiles.{name}]\nidentity = "{name}"\nrole_arn = "{ROLE}"\n'
    )


class Home:
    """A user's folders, empty at first."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"
        self.state = folder / "state"
        self.sandbox = self.state / "sandbox"
        self.sandbox.mkdir(parents=True)

    def source(self, environ: Mapping[str, str] = {}) -> ConfigSource:
        config = Path(environ.get("AGENTKEYS_CONFIG", self.config))
        return ConfigSource(environ=environ, paths=Paths(config, self.state, self.state / "sock"))

    def write(self, text: str | bytes) -> None:
        self.config.write_bytes(text.encode() if isinstance(text, str) else text)
        self.config.chmod(0o644)

    def start_sandbox(self, *, live: bool = True, text: str = "") -> None:
        """As far as the configuration can see: a record of processes that run."""
        itself = ProcessId.of(os.getpid())
        assert itself
        started = itself.started if live else "long ago"
        process = SandboxProcess(itself.pid, started, "http://127.0.0.1:1")
        save_sandbox_record(self.sandbox, SandboxRecord(process, process, ()))
        (self.sandbox / "config.toml").write_text(
            text or 'default_profile = "sandbox"\n' + a_config("sandbox")
        )
        (self.sandbox / "config.toml").chmod(0o600)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


# Which one counts.


def test_nothing_configured_is_no_error(home: Home) -> None:
    """Until somebody asks for a profile."""
    config = home.source().current()
    assert (config.origin, config.path, dict(config.profiles)) == ("none", None, {})
    with pytest.raises(UnknownProfile, match="nothing is configured yet"):
        config.profile(None)


def test_the_user_s_own_file(home: Home) -> None:
    """By its path, for people."""
    home.write(a_config("data"))
    config = home.source().current()
    assert (config.origin, config.path) == (str(home.config), home.config)
    assert config.profile(None).name == "data"


def test_the_environment_makes_a_profile(home: Home) -> None:
    """Called default."""
    config = home.source(FROM_ENVIRONMENT).current()
    assert (config.origin, config.path) == ("environment", None)
    profile = config.profile(None)
    assert profile is config.profile("default")
    assert (str(profile.role_arn), profile.store.name) == (ROLE, "aws")
    assert config.identity(None).source == "broker"


def test_a_file_wins_over_the_environment(home: Home) -> None:
    """It says more."""
    home.write(a_config("data"))
    assert set(home.source(FROM_ENVIRONMENT).current().profiles) == {"data"}


def test_a_named_file_wins_over_the_user_s_own(home: Home, tmp_path: Path) -> None:
    """And over the environment."""
    home.write(a_config("own"))
    named = tmp_path / "named.toml"
    named.write_text(a_config("named"))
    environ = {"AGENTKEYS_CONFIG": str(named), **FROM_ENVIRONMENT}
    assert set(home.source(environ).current().profiles) == {"named"}


def test_an_empty_file_is_a_configuration(home: Home) -> None:
    """Of nothing; the environment is not asked."""
    home.write("")
    config = home.source(FROM_ENVIRONMENT).current()
    assert (config.origin, dict(config.profiles)) == (str(home.config), {})


def test_a_named_file_that_is_missing_is_an_error(home: Home, tmp_path: Path) -> None:
    """Never a fallback to other credentials."""
    home.write(a_config("own"))
    environ = {"AGENTKEYS_CONFIG": str(tmp_path / "gone.toml"), **FROM_ENVIRONMENT}
    with pytest.raises(ConfigError, match=r"gone\.toml cannot be read: No such file") as problem:
        home.source(environ).current()
    assert "AGENTKEYS_CONFIG" in problem.value.hint


@pytest.mark.parametrize("arn", [{}, {"AGENTKEYS_DATA_ROLE_ARN": ""}], ids=["unset", "empty"])
def test_a_broker_without_a_role_is_an_error(home: Home, arn: dict[str, str]) -> None:
    """Before anything goes over the network."""
    with pytest.raises(ConfigError, match="AGENTKEYS_DATA_ROLE_ARN is not") as problem:
        home.source({"AGENTKEYS_BROKER_URL": "https://a", **arn}).current()
    assert "AGENTKEYS_DATA_ROLE_ARN" in problem.value.hint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"AGENTKEYS_BROKER_URL": "http://broker.example.com"}, "http://", id="http"),
        pytest.param({"AGENTKEYS_BROKER_URL": 'x"\ny = "1'}, "control", id="toml in the url"),
        pytest.param({"AGENTKEYS_BROKER_URL": 'https://a"'}, "", id="a quote"),
        pytest.param({"AGENTKEYS_BROKER_URL": "https://a\udce9?"}, "base URL", id="no utf-8"),
        pytest.param({"AGENTKEYS_DATA_ROLE_ARN": "data"}, "role_arn is wrong", id="no arn"),
        pytest.param({"AGENTKEYS_DATA_ROLE_ARN": "\\"}, "role_arn is wrong", id="a backslash"),
    ],
)
def test_a_bad_environment_is_refused_like_a_bad_file(
    home: Home, changes: dict[str, str], words: str
) -> None:
    """A variable's value can be nothing but a value."""
    try:
        config = home.source(FROM_ENVIRONMENT | changes).current()
    except ConfigError as problem:
        assert problem.message.startswith("the environment")  # noqa: PT017 - one case is none
        assert words in problem.message  # noqa: PT017
    else:
        assert not words
        assert set(config.profiles) == {"default"}


def test_a_role_without_a_broker_configures_nothing(home: Home) -> None:
    """Other tools read that variable, too."""
    environ = {"AGENTKEYS_DATA_ROLE_ARN": ROLE, "AGENTKEYS_BROKER_URL": ""}
    assert home.source(environ).current().origin == "none"


# The sandbox.


def test_a_running_sandbox_is_enough(home: Home) -> None:
    """On a bare machine its profile is the default."""
    home.start_sandbox()
    config = home.source().current()
    assert (config.origin, config.profile(None).name) == ("sandbox", "sandbox")


def test_a_sandbox_s_store_is_there_with_its_profile(home: Home) -> None:
    """Beside the user's own."""
    store = '[stores.local]\nkind = "ceph"\nsts_endpoint = "http://127.0.0.1:9"\n'
    used = a_config("sandbox") + 'store = "local"\n'
    home.start_sandbox(text=store + used)
    assert set(home.source().current().stores) == {"aws", "local"}
    home.write(a_config("data"))
    config = home.source().current()
    assert set(config.stores) == {"aws", "local"}
    assert config.stores["local"] is config.profile("sandbox").store


@pytest.mark.parametrize("own", ["file", "environment"])
def test_a_sandbox_changes_no_configuration(home: Home, own: str) -> None:
    """Its profile is there by name, and the default stays the user's."""
    home.start_sandbox()
    if own == "file":
        home.write(a_config("data"))
    config = home.source(FROM_ENVIRONMENT).current()
    mine = {"file": "data", "environment": "default"}[own]
    assert config.profile(None).name == mine
    assert set(config.profiles) == {mine, "sandbox"} == set(config.identities)
    assert set(config.stores) == {"aws"}


def test_a_sandbox_does_not_become_the_default_of_two(home: Home) -> None:
    """Somebody with profiles of their own is asked which one they mean."""
    home.start_sandbox()
    home.write(a_config("a") + a_config("b"))
    with pytest.raises(UnknownProfile, match="no default one"):
        home.source().current().profile(None)


def test_the_user_s_own_sandbox_profile_wins(home: Home) -> None:
    """Whoever calls one so has a reason."""
    home.start_sandbox()
    home.write(a_config("sandbox", url="https://mine.example.com"))
    identity = home.source().current().profile("sandbox").identity
    assert identity.url == "https://mine.example.com"


def test_a_sandbox_that_ended_is_gone(home: Home) -> None:
    """Whatever it left on the disk."""
    home.start_sandbox(live=False)
    assert home.source().current().origin == "none"


def test_a_broken_record_takes_nobody_s_profiles_away(home: Home) -> None:
    """The sandbox's own commands tell of it."""
    home.write(a_config("data"))
    home.start_sandbox()
    (home.sandbox / "sandbox.json").write_text("garbage")
    assert set(home.source().current().profiles) == {"data"}


# Whom it is believed from, and what it may be.


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o622, 0o620])
def test_a_file_that_others_can_write_is_refused(home: Home, mode: int) -> None:
    """They could send our tokens to a broker of theirs."""
    home.write(a_config("data"))
    home.config.chmod(mode)
    with pytest.raises(ConfigError, match="writable by others") as problem:
        home.source().current()
    assert problem.value.hint == f"run: chmod go-w {home.config}"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444])
def test_a_file_that_others_can_read_is_fine(home: Home, mode: int) -> None:
    """There is nothing secret in it."""
    home.write(a_config("data"))
    home.config.chmod(mode)
    assert home.source().current().profile("data")


def _gone(path: Path) -> None:
    path.symlink_to("gone")


def _circle(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(Path.mkdir, "is not a file", id="a folder"),
        pytest.param(os.mkfifo, "is not a file", id="a pipe that nobody writes to"),
        pytest.param(_gone, "cannot be read", id="a broken link"),
        pytest.param(_circle, "cannot be read", id="a link to itself"),
    ],
)
def test_what_cannot_be_read_is_an_error(
    home: Home, prepare: Callable[[Path], object], words: str
) -> None:
    """It is there, so nothing else is used in its place."""
    prepare(home.config)
    with pytest.raises(ConfigError, match=words):
        home.source(FROM_ENVIRONMENT).current()


def test_a_file_that_cannot_be_looked_at_is_an_error(home: Home, tmp_path: Path) -> None:
    """Rather than counted as absent."""
    source = ConfigSource(
        environ=FROM_ENVIRONMENT,
        paths=Paths(tmp_path / ("x" * 300), home.state, home.state / "sock"),
    )
    with pytest.raises(ConfigError, match="cannot be read"):
        source.current()


def test_a_path_below_a_file_is_absent(home: Home, tmp_path: Path) -> None:
    """As where ~/.config is none."""
    (tmp_path / "file").touch()
    source = ConfigSource(
        environ={}, paths=Paths(tmp_path / "file" / "c", home.state, home.state / "sock")
    )
    assert source.current().origin == "none"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"\xff\xfe", "is not UTF-8", id="no utf-8"),
        pytest.param(b"#" * 1_000_001, "is over a megabyte", id="huge"),
        pytest.param(b"a = [", "is not valid TOML", id="half a line"),
        pytest.param(b"\x00", "is not valid TOML", id="nul"),
    ],
)
def test_content_that_is_no_configuration_is_refused(
    home: Home, content: bytes, words: str
) -> None:
    """With the file's path."""
    home.write(content)
    with pytest.raises(ConfigError, match=words) as problem:
        home.source().current()
    assert str(home.config) in problem.value.message


def test_a_megabyte_is_enough(home: Home) -> None:
    """To the byte."""
    text = a_config("data").encode()
    home.write(text + b"#" * (1_000_000 - len(text)))
    assert home.source().current().profile("data")


# Changes.


def test_the_file_is_read_again_when_it_changes(home: Home) -> None:
    """And only then."""
    source = home.source()
    assert source.current().origin == "none"
    home.write(a_config("data"))
    first = source.current()
    assert set(first.profiles) == {"data"}
    assert source.current() is first
    home.write(a_config("other"))
    assert set(source.current().profiles) == {"other"}
    home.config.unlink()
    assert source.current().origin == "none"


def test_a_mistake_is_told_until_it_is_mended(home: Home) -> None:
    """Every time, and the old configuration is not used meanwhile."""
    source = home.source()
    home.write(a_config("data"))
    good = source.current()
    home.write("garbage")
    for _ in range(3):
        with pytest.raises(ConfigError):
            source.current()
    home.write(a_config("data"))
    assert source.current() == good


def test_a_change_of_its_mode_is_noticed(home: Home) -> None:
    """Though the content is the same."""
    source = home.source()
    home.write(a_config("data"))
    assert source.current()
    home.config.chmod(0o666)
    with pytest.raises(ConfigError, match="writable by others"):
        source.current()


def test_a_sandbox_is_noticed_when_it_starts_and_ends(home: Home) -> None:
    """By a daemon that runs all the while."""
    source = home.source()
    assert source.current().origin == "none"
    home.start_sandbox()
    assert source.current().origin == "sandbox"
    home.start_sandbox(text=a_config("renamed"))
    assert set(source.current().profiles) == {"renamed"}
    (home.sandbox / "sandbox.json").unlink()
    assert source.current().origin == "none"
