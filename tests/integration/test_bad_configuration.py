"""What the installed programs say about a configuration that they cannot use.

Always one line what is wrong and one line what to do, nothing on stdout, and no secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.place import ROLE, Place, assert_refused
from tests.support.programs import Home, new_home
from tests.support.raw_http import ask

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """One home and one daemon for all: it reads its configuration again whenever that changes."""
    with new_home() as found:
        found.succeed("agentkeys", "daemon", "start")
        yield found


def at_top(**keys: Any) -> Change:
    return lambda tables: tables.update(keys)


def _in(kind: str, name: str, keys: dict[str, Any]) -> Change:
    def change(tables: dict[str, Any]) -> None:
        table = tables[kind].setdefault(name, {})
        table.update(keys)
        for key in [key for key, value in table.items() if value is None]:
            del table[key]

    return change


def in_identity(**keys: Any) -> Change:
    return _in("identities", "me", keys)


def in_store(**keys: Any) -> Change:
    return _in("stores", "lab", keys)


def in_profile(**keys: Any) -> Change:
    return _in("profiles", "data", keys)


def another(kind: str, name: str) -> Change:
    return _in(kind, name, {})


WRONG: dict[str, tuple[Change, str, str]] = {
    # unknown keys
    "an unknown key at the top": (
        at_top(defualt_profile="data"),
        "defualt_profile is not a known key",
        "did you mean default_profile?",
    ),
    "an unknown table": (
        at_top(profile={"data": {}}),
        "profile is not a known key",
        "did you mean profiles?",
    ),
    "an unknown key of an identity": (
        in_identity(audiance="x"),
        "identities.me.audiance is not a known key",
        "did you mean audience?",
    ),
    "an unknown key of a store": (
        in_store(sts_endpont="http://127.0.0.1:1"),
        "stores.lab.sts_endpont is not a known key",
        "did you mean sts_endpoint?",
    ),
    "an unknown key of a profile": (
        in_profile(role_arm=ROLE),
        "profiles.data.role_arm is not a known key",
        "did you mean role_arn?",
    ),
    "a key like no other": (
        in_profile(zzz="x"),
        "profiles.data.zzz is not a known key",
        "known keys: identity, store, role_arn",
    ),
    "a key with a line's end": (
        in_profile(**{'"a\\nb"': "x"}),
        "profiles.data.a?b is not a known key",
        "known keys: ",
    ),
    # wrong types
    "a number for a string": (
        in_profile(role_arn=3),
        "profiles.data.role_arn is a number, not a string",
        'write role_arn = "…" in quotes',
    ),
    "a list for a string": (
        in_profile(bucket=["a"]),
        "profiles.data.bucket is a list, not a string",
        'write bucket = "…" in quotes',
    ),
    "a boolean for a string": (
        in_store(region=True),
        "stores.lab.region is a boolean, not a string",
        'write region = "…" in quotes',
    ),
    "a number for a duration": (
        in_profile(duration=3600),
        "profiles.data.duration is a number, not a string",
        'write duration = "…" in quotes',
    ),
    "a string for the profiles": (
        at_top(profiles="data"),
        "profiles is a string, not a table",
        "write [profiles.NAME]",
    ),
    "an empty string": (
        in_profile(bucket=""),
        "profiles.data.bucket is empty or has control characters",
        "give it a value or remove the line",
    ),
    "a control character": (
        in_profile(region="us-east-1\n"),
        "profiles.data.region is empty or has control characters",
        "give it a value or remove the line",
    ),
    # values that cannot be
    "a duration in words": (
        in_profile(duration="one hour"),
        "profiles.data.duration is not a duration: 'one hour'",
        'write it as "15m", "1h" or "900s"',
    ),
    "no duration at all": (
        in_profile(duration="0s"),
        "profiles.data.duration is not a duration: '0s'",
        'write it as "15m", "1h" or "900s"',
    ),
    "an endless duration": (
        in_profile(duration="9" * 400 + "h"),
        "profiles.data.duration is not a duration",
        'write it as "15m", "1h" or "900s"',
    ),
    "a duration that is too short": (
        in_profile(duration="1m"),
        "profiles.data.duration is outside what aws takes",
        "15m to 720m",
    ),
    "a duration that is too long": (
        in_profile(duration="13h"),
        "profiles.data.duration is outside what aws takes",
        "15m to 720m",
    ),
    "no role": (
        in_profile(role_arn=None),
        "profiles.data.role_arn is missing",
        'role_arn = "arn:aws:iam::<account>:role/<name>"',
    ),
    "a role's name for its ARN": (
        in_profile(role_arn="agentkeys-data"),
        "profiles.data.role_arn is wrong: 'agentkeys-data' is not a role ARN",
        "arn:aws:iam::<account>:role/<name>",
    ),
    "a user's ARN": (
        in_profile(role_arn="arn:aws:iam::111122223333:user/data"),
        "is not a role ARN",
        "arn:aws:iam::<account>:role/<name>",
    ),
    "an unknown confinement": (
        in_profile(confine="nothing"),
        "profiles.data.confine is wrong: 'nothing' is not a kind of confinement",
        'write "tags", "claim:NAME" or "role"',
    ),
    "a confinement without its claim": (
        in_profile(confine="claim:"),
        "profiles.data.confine is wrong: 'claim:' is not a kind of confinement",
        'write "tags", "claim:NAME" or "role"',
    ),
    "an unknown placeholder": (
        in_profile(prefix="bots/{walet}/"),
        "profiles.data.prefix is wrong: {walet} is not a placeholder",
        "use {wallet}, {omni}, {sub} or {claim:NAME}",
    ),
    "a wildcard in the prefix": (
        in_profile(prefix="bots/*/"),
        "profiles.data.prefix is wrong: 'bots/*/' has a stray brace or a wildcard",
        "use {wallet}, {omni}, {sub} or {claim:NAME}",
    ),
    "an unknown kind of store": (
        in_store(kind="seaweed"),
        "stores.lab.kind is wrong: 'seaweed' is not a kind of store",
        'did you mean "seaweedfs"?',
    ),
    "a store without its STS": (
        in_store(kind="minio", sts_endpoint=None),
        "stores.lab.sts_endpoint is missing",
        "a minio store needs its own",
    ),
    "a store without a kind": (
        in_store(kind=None),
        "stores.lab.kind is missing",
        'add kind = "…"',
    ),
    "an unknown source": (
        in_identity(source="borker"),
        "identities.me.source cannot be 'borker'",
        'did you mean "broker"?',
    ),
    "an identity without an address": (
        in_identity(url=None),
        "identities.me.url is missing",
        'add url = "…"',
    ),
    # addresses
    "http to another machine": (
        in_identity(url="http://broker.example.com"),
        "identities.me.url uses http:// for broker.example.com, which is not this machine",
        "use https://",
    ),
    "http to a store elsewhere": (
        in_store(sts_endpoint="http://10.0.0.1:9000"),
        "stores.lab.sts_endpoint uses http:// for 10.0.0.1, which is not this machine",
        "use https://",
    ),
    "http to every address": (
        in_store(s3_endpoint="http://0.0.0.0:9000"),
        "stores.lab.s3_endpoint uses http:// for 0.0.0.0, which is not this machine",
        "use https://",
    ),
    "http to a name that starts like this machine": (
        in_identity(url="http://localhost.example.com"),
        "uses http:// for localhost.example.com, which is not this machine",
        "use https://",
    ),
    "http to a number that might be this machine": (
        in_identity(url="http://2130706433"),
        "uses http:// for 2130706433, which is not this machine",
        "use https://",
    ),
    "another scheme": (
        in_identity(url="ftp://127.0.0.1"),
        "identities.me.url is not a base URL: 'ftp://127.0.0.1'",
        "write https://host[:port]",
    ),
    "no host": (
        in_identity(url="https://"),
        "identities.me.url is not a base URL: 'https://'",
        "write https://host[:port]",
    ),
    "a port that is none": (
        in_identity(url="https://broker.example.com:99999"),
        "identities.me.url is not a base URL",
        "write https://host[:port]",
    ),
    "a query": (
        in_store(sts_endpoint="https://sts.example.com?Action=Other"),
        "stores.lab.sts_endpoint is not a base URL",
        "write https://host[:port]",
    ),
    "a password": (
        in_identity(url="https://user:secret-1@broker.example.com"),
        "identities.me.url holds a user name or a password",
        "write https://host[:port]",
    ),
    # names
    "an unknown identity": (
        in_profile(identity="mee"),
        "profiles.data.identity names 'mee', which is not among the identities",
        "did you mean me?",
    ),
    "an unknown store": (
        in_profile(store="lba"),
        "profiles.data.store names 'lba', which is not among the stores",
        "did you mean lab?",
    ),
    "an unknown default profile": (
        at_top(default_profile="dta"),
        "default_profile names 'dta', which is not among the profiles",
        "did you mean data?",
    ),
    "a name that is a path": (
        another("profiles", "../x"),
        "profiles.../x is not a usable name",
        "use letters, digits, dot, dash, underscore",
    ),
    "an empty name": (
        another("profiles", ""),
        "profiles. is not a usable name",
        "use letters, digits, dot, dash, underscore",
    ),
    "a name with a space": (
        another("identities", "a b"),
        "identities.a b is not a usable name",
        "use letters, digits, dot, dash, underscore",
    ),
    "a name of 65 characters": (
        another("stores", "x" * 65),
        "is not a usable name",
        "use letters, digits, dot, dash, underscore",
    ),
}


@pytest.mark.parametrize(("change", "error", "hint"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_file_and_key(
    place: Place, change: Change, error: str, hint: str
) -> None:
    """The file, the key, what is wrong with it, and what would be right."""
    change(place.tables)
    place.configure()
    shim, run = place.run_programs()
    assert_refused(shim, 1, f"{place.home.config}: ", hint, place.sessions)
    assert_refused(shim, 1, error, hint, place.sessions)
    assert_refused(run, 125, error, hint, place.sessions)
    assert place.broker.requests == []
    assert place.sts.requests == []


TEXTS = {
    "not TOML": ("[profiles.data\n", "is not valid TOML: ", "mend that line"),
    "a key twice": ('default_profile = "a"\n' * 2, "is not valid TOML: ", "mend that line"),
    "a plain value among the tables": (
        "[identities]\nme = 3\n",
        "identities.me is a number, not a table",
        "write [identities.me]",
    ),
    "a table too many": (
        "[[profiles]]\n",
        "profiles is a list, not a table",
        "write [profiles.NAME]",
    ),
    "a date": ("default_profile = 2026-01-01\n", "is a date, not a string", "in quotes"),
    "nested without end": ("x = " + "[" * 100_000, "nests too deeply", "write it flat"),
    "a number without end": ("x = " + "1" * 10_000, "is not valid TOML", "mend that line"),
    "over a megabyte": ("#" * 1_000_001, "is over a megabyte", "check its content"),
}


@pytest.mark.parametrize(("text", "error", "hint"), TEXTS.values(), ids=TEXTS)
def test_a_file_that_cannot_be_read_so_is_told(
    place: Place, text: str, error: str, hint: str
) -> None:
    """Whatever somebody has written into it."""
    place.home.configure(text)
    shim, run = place.run_programs()
    assert_refused(shim, 1, error, hint, place.sessions)
    assert str(place.home.config) in shim.complaint()[0]
    assert_refused(run, 125, error, hint, place.sessions)


def test_bytes_that_are_no_text_are_told(place: Place) -> None:
    """The file is named, its content is not repeated."""
    place.home.config.write_bytes(b"default_profile = '\xff'\n")
    shim, run = place.run_programs()
    for done, status in ((shim, 1), (run, 125)):
        assert_refused(done, status, f"{place.home.config} is not UTF-8", "save it so")


@pytest.mark.parametrize("mode", [0o664, 0o606, 0o666, 0o777])
def test_a_file_that_others_may_write_is_refused(place: Place, mode: int) -> None:
    """Whoever can write it could send our tokens elsewhere; and it counts again once mended."""
    place.home.config.chmod(mode)
    shim, run = place.run_programs()
    error = f"the configuration {place.home.config} is another user's or writable by others"
    hint = f"run: chmod go-w {place.home.config}"
    assert_refused(shim, 1, error, hint, place.sessions)
    assert_refused(run, 125, error, hint, place.sessions)
    assert place.broker.requests == []
    place.home.config.chmod(0o600)
    assert place.through("GET credentials").served


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (_folder, "is not a file"),
        (_pipe, "is not a file"),
        (_dangling, "cannot be read: "),
    ],
)
def test_what_is_no_file_is_refused_at_once(
    place: Place, make: Callable[[Path], None], error: str
) -> None:
    """A folder, a pipe that nobody writes to, a link to nothing; and the daemon goes on."""
    config = place.home.config
    config.unlink()
    make(config)
    try:
        shim, run = place.run_programs()
        for done, status in ((shim, 1), (run, 125)):
            assert_refused(done, status, f"the configuration {config} {error}", "AGENTKEYS_CONFIG")
        assert ask(place.home, "GET", "/v1/status").status == 200
    finally:
        config.rmdir() if config.is_dir() else config.unlink()


def test_every_change_counts_at_once(place: Place) -> None:
    """A held lease is not served past a mistake in the configuration, nor past its removal."""
    first = place.through("GET credentials")
    assert first.served
    place.home.configure("[profiles.data\n")
    assert not place.through("GET credentials").holds_credentials
    place.configure()
    assert place.through("GET credentials") == first
    place.home.config.unlink()
    shim, run = place.run_programs()
    assert_refused(shim, 1, "nothing is configured yet", "agentkeys init")
    assert_refused(run, 125, "nothing is configured yet", "agentkeys init")
    assert not place.through("GET credentials").holds_credentials


def test_several_profiles_need_a_choice(place: Place) -> None:
    """None of them is served by accident."""
    place.tables["profiles"]["other"] = place.sound_profile()
    place.configure()
    shim, run = place.run_programs()
    for done, status in ((shim, 1), (run, 125)):
        assert_refused(
            done,
            status,
            "no profile is named and there is no default one",
            "add --profile (data, other) or set default_profile",
        )


BAD_NAMES = {
    "misspelt": "dta",
    "unknown": "zzz",
    "a path": "../x",
    "an absolute path": "/etc/passwd",
    "with a part": "data/credentials",
    "the folder above": "..",
    "with spaces": "da ta",
    "in letters of elsewhere": "dätä",
    "percent-encoded": "%64ata",
    "with a query": "data?x=1",
    "with a fragment": "data#x",
    "with a line's end": "data\n",
    "with an escape": "\x1b[31mdata",
    "of 10 kB": "x" * 10_000,
    "of 10,000 letters of elsewhere": "ü" * 10_000,
    "in upper case": "DATA",
}


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_profile_that_is_not_there_is_told(place: Place, name: str) -> None:
    """By option as by variable, in two lines of a bearable length; the nearest one is offered."""
    by_option = place.run_programs("--profile", name)
    by_variable = place.run_programs(env={"AGENTKEYS_PROFILE": name})
    assert by_option == by_variable
    for done, status in zip(by_option, (1, 125), strict=True):
        assert_refused(done, status, "there is no profile '", "data", place.sessions)
        assert len(done.stderr) < 500
    assert place.broker.requests == []


def test_a_name_that_is_no_text_is_told(place: Place) -> None:
    """Arguments are bytes."""
    name = b"da\xffta".decode(errors="surrogateescape")
    shim = place.home.run(
        "sh", "-c", f"exec agentkeys-credential-process -p \"$(printf '{_octal(name)}')\""
    )
    assert_refused(shim, 1, "there is no profile '", "data")


def _octal(text: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in text.encode(errors="surrogateescape"))


USAGE = {
    "an empty name": ["--profile", ""],
    "an empty name after an equals sign": ["--profile="],
    "no name": ["--profile"],
    "an unknown option": ["--no-such-option"],
    "an option twice": ["-p", "data", "--no-such-option", "-p", "data"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_mistake_in_the_call_is_usage(place: Place, arguments: list[str]) -> None:
    """2 from the shim by either name, 125 from `exec`."""
    for program in (["agentkeys-credential-process"], ["agentkeys", "credential-process"]):
        done = place.home.run(*program, *arguments)
        assert_refused(done, 2, "", "see agentkeys credential-process --help")
    done = place.home.run("agentkeys", "exec", *arguments, "--", "true")
    if arguments != ["--profile"]:  # which takes the two dashes for its value
        assert_refused(done, 125, "", "see agentkeys exec --help")


def test_an_argument_too_many_is_usage(place: Place) -> None:
    """The shim takes none."""
    done = place.home.run("agentkeys-credential-process", "data")
    assert_refused(done, 2, "data", "see agentkeys credential-process --help")


def test_a_short_option_with_its_value_attached_fails_like_any_other(place: Place) -> None:
    """What only the full parser understands ends without a traceback as well."""
    assert_refused(
        place.home.run("agentkeys-credential-process", "-pdta"),
        1,
        "there is no profile 'dta'",
        "did you mean data?",
    )
    assert place.home.run("agentkeys-credential-process", "-pdata").status == 0
