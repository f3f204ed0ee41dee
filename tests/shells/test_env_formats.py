"""What `agentkeys env` prints is read back unchanged, or it is refused."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentkeys.errors import AgentkeysError
from agentkeys_shell.formats import FORMATS, load_render, misleading_names
from tests.support.env_readers import (
    READ_BY,
    needed_program,
    read_by,
    read_mc_host,
    read_powershell,
)

GIVEN = {
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalr/XUtn+FEMI==",
    "AWS_SESSION_TOKEN": "eyJ.eyJ@x:y%2F==",
    "AWS_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:8333",
    "AGENTKEYS_PROFILE": "my-lab.2",
    "AGENTKEYS_S3_BUCKET": "agentkeys",
    "AGENTKEYS_S3_PREFIX": "bots/0xabc/",
}
"""What the formats for clients make theirs of."""

NASTY = [
    "",
    " ",
    "  two  spaces ",
    "-n",
    "--help",
    "~",
    "*",
    "#x",
    "a # b",
    "'",
    "''",
    '"',
    "it's",
    "'; touch /tmp/pwned; '",
    "$HOME ${HOME} $(id) `id`",
    "%PATH% !! !$",
    "\\",
    "\\'",
    "a\\nb",
    "\\\\\\",
    "a\nb",
    "\n",
    "\n\n a \n",
    "a\r\nb\r",
    "\t\x01\x02\x7f\x1b[31m",
    "grüß dich, 世界 🪣",
    "\u2018typographic\u2019 \u201a\u201b \u201cquotes\u201d",
    "\u2028\u2029\x85",
    "\uf600\uf6ff\ue000",
    "=a=b",
    "(list) [x] {y,z} <in >out |pipe & ;",
]
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.text(
    st.sampled_from("'\"\\$`\n\r {}()#~!%-aé\u2018\u2019")
)
BYTES = st.binary().map(
    lambda content: content.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)


def render(format_name: str, values: Sequence[str]) -> str:
    """The values as variables V0, V1, …"""
    return load_render(format_name)(named(values), {})


def named(values: Sequence[str]) -> dict[str, str]:
    return {f"V{number}": value for number, value in enumerate(values)}


def writable(format_name: str, values: Sequence[str]) -> list[str]:
    """Those that the format does not refuse."""
    kept = []
    for value in values:
        try:
            render(format_name, [value])
        except AgentkeysError:
            continue
        kept.append(value)
    return kept


# shells


@pytest.mark.parametrize("reader", READ_BY)
@settings(max_examples=15, deadline=None)
@given(values=st.lists(VALUES | BYTES, max_size=200))
@example(values=NASTY)
def test_a_shell_reads_every_value_back(
    reader: str, values: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In the real shell, whatever the value holds, bytes that are no text too."""
    format_name, command = READ_BY[reader]
    text = render(format_name, values).encode("utf-8", "surrogateescape")
    found = read_by(command, text, tmp_path_factory.mktemp("shell"))
    assert {name: found.get(name) for name in named(values)} == named(values)


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_eval_without_quotes_does_for_plain_values(shell: str, tmp_path: Path) -> None:
    """Every command has an end of its own, so that they may share a line."""
    text = load_render("sh")(GIVEN, {"AWS_PROFILE": "work"})
    command = [shell, "-c", 'eval $(cat "$0") && exec env -0']
    found = read_by(command, text.encode(), tmp_path, {"AWS_PROFILE": "work"})
    assert found.items() >= GIVEN.items()
    assert "AWS_PROFILE" not in found


STALE = {
    "AWS_PROFILE": "work",
    "AWS_SECURITY_TOKEN": "stale",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
    "BOTO_CONFIG": "/elsewhere",
    "AGENTKEYS_USER_WALLET": "0xdeadbeef",
}
KEPT = {
    "AWS_PAGER": "",
    "AWS_MAX_ATTEMPTS": "7",
    "AGENTKEYS_RUN": "abc",
    "AGENTKEYS_SOCKET": "/own",
    "AGENTKEYS_SESSION": "own",
    "GREETING": "hello",
}


@pytest.mark.parametrize("reader", READ_BY)
def test_what_would_mislead_is_unset(reader: str, tmp_path: Path) -> None:
    """And what a user keeps on purpose stays, the settings and the mark of a run too."""
    format_name, command = READ_BY[reader]
    inherited = STALE | KEPT | {"AWS_REGION": "us-west-2"}
    text = load_render(format_name)(GIVEN, inherited)
    found = read_by(command, text.encode(), tmp_path, inherited)
    assert found.items() >= (GIVEN | KEPT).items()
    assert not STALE.keys() & found.keys()


def test_fish_tells_of_a_universal_variable_that_it_cannot_unset(tmp_path: Path) -> None:
    """It is the user's, for every shell: they are told how to erase it."""
    needed_program("fish")
    text = load_render("fish")(GIVEN, {"AWS_PROFILE": "work"})
    (tmp_path / "printed").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["fish", "-c", "set -Ux AWS_PROFILE work; source printed; set -q -U AWS_PROFILE"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    hint = "agentkeys: hint: AWS_PROFILE is a universal variable and stays"
    assert done.stderr == f"{hint}; run: set -eU AWS_PROFILE\n"


@given(names=st.lists(st.text(min_size=1).map(lambda name: f"AWS_{name}")))
@example(names=["AWS_X;id", "AWS_$(id)", "AWS_A-B", "AWS_É", "AWS_A\nid"])
def test_no_name_becomes_a_command(names: list[str]) -> None:
    """A name that no shell can have is left alone; only letters, digits and `_` are printed."""
    for name in misleading_names({}, dict.fromkeys(names, "x")):
        assert all(char == "_" or (char.isascii() and char.isalnum()) for char in name)


# powershell


@given(values=st.lists(VALUES, min_size=1))
@example(values=NASTY)
def test_powershell_reads_every_value_back(values: list[str]) -> None:
    """Line by line, with the typographic quotes that it takes for quotes."""
    assert read_powershell(render("powershell", values)) == (named(values), [])


def test_powershell_is_told_what_to_remove() -> None:
    """The names alone."""
    text = load_render("powershell")(GIVEN, STALE | KEPT)
    assert read_powershell(text) == (GIVEN, sorted(STALE))


# files


@given(values=st.lists(VALUES))
@example(values=NASTY)
def test_python_dotenv_reads_every_value_that_is_not_refused(values: list[str]) -> None:
    """With its own expansion of variables, which is on by default."""
    kept = writable("dotenv", values)
    assert dotenv_values(stream=io.StringIO(render("dotenv", kept))) == named(kept)


def test_shells_and_python_dotenv_agree_on_a_dotenv_file(tmp_path: Path) -> None:
    """`set -a; . ./.env` is how many scripts read one."""
    kept = writable("dotenv", NASTY)
    assert {"it's", "grüß dich, 世界 🪣", "a # b", "", "-n"} <= set(kept)
    text = render("dotenv", kept).encode()
    found = read_by(["dash", "-c", 'set -a; . "$0"; exec env -0'], text, tmp_path)
    assert found.items() >= named(kept).items()


def test_what_credentials_are_made_of_stands_bare_in_a_dotenv_file() -> None:
    """docker would take quotes for a part of the value."""
    text = load_render("dotenv")(GIVEN, STALE)
    assert text == "".join(f"{name}={value}\n" for name, value in GIVEN.items())


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("two\nlines", "a newline or another control character"),
        ("back\\slash", "a backslash"),
        ("${HOME} x", "${"),
        ("it's $5", 'a single quote together with ", $ or a backtick'),
        ("\udcff", "bytes that are no text"),
    ],
)
def test_what_readers_of_dotenv_disagree_on_is_refused(value: str, what: str) -> None:
    """The variable is named, its value is not shown."""
    with pytest.raises(AgentkeysError) as caught:
        load_render("dotenv")({"AWS_REGION": value}, {})
    assert caught.value.message == f"AWS_REGION holds {what}, which cannot be written as dotenv"
    assert caught.value.hint == "choose another --format, or run the program with: agentkeys exec"


@given(values=st.lists(VALUES))
@example(values=NASTY)
def test_json_is_one_object(values: list[str]) -> None:
    """Of names and values."""
    assert json.loads(render("json", values)) == named(values)


@pytest.mark.parametrize("format_name", ["powershell", "dotenv", "json"])
def test_bytes_that_are_no_text_are_refused_where_only_text_can_be(format_name: str) -> None:
    """Rather than replaced by something else."""
    with pytest.raises(AgentkeysError, match="AWS_CONFIG_FILE holds bytes that are no text"):
        load_render(format_name)({"AWS_CONFIG_FILE": "/home/\udcff"}, {})


# clients


def printed(format_name: str, folder: Path, **changes: str) -> dict[str, str]:
    """The variables after bash has read what is printed for `GIVEN` and changes to it."""
    text = load_render(format_name)(GIVEN | changes, {})
    found = read_by(READ_BY["bash"][1], text.encode(), folder)
    return {name: value for name, value in found.items() if name[:3] in ("RCL", "MC_", "AGE")}


def test_rclone_gets_a_remote_with_the_profile_s_name(tmp_path: Path) -> None:
    """As far as a shell's variable can have it in its own."""
    assert printed("rclone", tmp_path) == {
        "RCLONE_CONFIG_MY_LAB_2_TYPE": "s3",
        "RCLONE_CONFIG_MY_LAB_2_PROVIDER": "Other",
        "RCLONE_CONFIG_MY_LAB_2_ENV_AUTH": "false",
        "RCLONE_CONFIG_MY_LAB_2_ACCESS_KEY_ID": GIVEN["AWS_ACCESS_KEY_ID"],
        "RCLONE_CONFIG_MY_LAB_2_SECRET_ACCESS_KEY": GIVEN["AWS_SECRET_ACCESS_KEY"],
        "RCLONE_CONFIG_MY_LAB_2_SESSION_TOKEN": GIVEN["AWS_SESSION_TOKEN"],
        "RCLONE_CONFIG_MY_LAB_2_REGION": "eu-central-1",
        "RCLONE_CONFIG_MY_LAB_2_ENDPOINT": "http://127.0.0.1:8333",
        "RCLONE_CONFIG_MY_LAB_2_NO_CHECK_BUCKET": "true",
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
        "AGENTKEYS_S3_BUCKET": "agentkeys",
        "AGENTKEYS_S3_PREFIX": "bots/0xabc/",
    }


@pytest.mark.parametrize(
    ("region", "endpoint", "found"),
    [
        ("eu-central-1", "", "https://s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "", "https://s3.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "", "https://s3.eusc-de-east-1.amazonaws.eu"),
        ("eu-west-1", "https://s3-fips.eu-west-1.amazonaws.com", None),
    ],
)
def test_aws_is_known_by_its_endpoint(
    region: str, endpoint: str, found: str | None, tmp_path: Path
) -> None:
    """Its own where none is configured, so that nothing inherited leads the token elsewhere."""
    changes = {"AWS_REGION": region, "AWS_ENDPOINT_URL_S3": endpoint, "AGENTKEYS_PROFILE": "aws"}
    remote = printed("rclone", tmp_path, **changes)
    assert remote["RCLONE_CONFIG_AWS_PROVIDER"] == "AWS"
    assert remote["RCLONE_CONFIG_AWS_ENDPOINT"] == found or endpoint
    assert read_mc_host(printed("mc", tmp_path, **changes)["MC_HOST_aws"])[0] == found or endpoint


@pytest.mark.parametrize("host", ["amazonaws.com.example.com", "example.com/.amazonaws.com"])
def test_what_looks_like_aws_is_not(host: str, tmp_path: Path) -> None:
    """It is the host's end that counts."""
    remote = printed("rclone", tmp_path, AWS_ENDPOINT_URL_S3=f"https://{host}")
    assert remote["RCLONE_CONFIG_MY_LAB_2_PROVIDER"] == "Other"


@pytest.mark.parametrize("remote", ["my_lab_2", "MY_LAB_2", "My_Lab_2"])
def test_rclone_finds_the_remote(remote: str, tmp_path: Path) -> None:
    """The real one, in any case, in spite of what its own file and variables say."""
    needed_program("rclone")
    config = tmp_path / "rclone.conf"
    config.write_text(f"[{remote}]\ntype = s3\nendpoint = https://elsewhere.example.com\n")
    text = load_render("rclone")(GIVEN | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, {})
    script = f'eval "$(cat "$0")"; exec rclone --config {config} --retries 1 lsf {remote}:b 2>&1'
    (tmp_path / "printed").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["dash", "-c", f"{script} --low-level-retries 1", str(tmp_path / "printed")],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "RCLONE_S3_ENDPOINT": "https://elsewhere.example.com",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "127.0.0.1:1" in done.stdout
    assert "elsewhere" not in done.stdout


def test_mc_gets_an_alias_with_the_profile_s_name(tmp_path: Path) -> None:
    """Key, secret and token as they stand: mc decodes nothing."""
    variables = printed("mc", tmp_path)
    assert read_mc_host(variables.pop("MC_HOST_my_lab_2")) == (
        "http://127.0.0.1:8333",
        GIVEN["AWS_ACCESS_KEY_ID"],
        GIVEN["AWS_SECRET_ACCESS_KEY"],
        GIVEN["AWS_SESSION_TOKEN"],
    )
    assert variables == {"AGENTKEYS_S3_BUCKET": "agentkeys", "AGENTKEYS_S3_PREFIX": "bots/0xabc/"}


KEYS = st.text(st.characters(exclude_characters="\0"))


@given(key=KEYS, secret=KEYS, token=KEYS)
@example(key="A", secret="a/b+c=%2F@#?", token=":@:@/%40")
def test_mc_reads_back_what_is_not_refused(key: str, secret: str, token: str) -> None:
    """Whatever key, secret and token are made of."""
    changes = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    changes["AWS_SESSION_TOKEN"] = token
    try:
        text = load_render("mc")(GIVEN | changes, {})
    except AgentkeysError:
        assert ":" in key + secret or "\n" in key + secret + token
        return
    line = text.partition("MC_HOST_my_lab_2='")[2].partition("';\nexport AGENTKEYS")[0]
    host = line.replace("'\\''", "'")
    assert read_mc_host(host) == (GIVEN["AWS_ENDPOINT_URL_S3"], key, secret, token)


@pytest.mark.parametrize(
    "endpoint", ["https://example.com/s3", "https://me@example.com", "https://example.com?x"]
)
def test_mc_is_given_no_endpoint_that_it_would_refuse(endpoint: str) -> None:
    """It takes a host, and a port."""
    with pytest.raises(AgentkeysError, match="AWS_ENDPOINT_URL_S3 holds"):
        load_render("mc")(GIVEN | {"AWS_ENDPOINT_URL_S3": endpoint}, {})


@pytest.mark.parametrize("format_name", ["rclone", "mc"])
def test_a_place_of_before_is_not_left(format_name: str, tmp_path: Path) -> None:
    """Of a profile that names no bucket."""
    placeless = {name: value for name, value in GIVEN.items() if "_S3_" not in name}
    inherited = {"AGENTKEYS_S3_BUCKET": "other", "AWS_PROFILE": "work"}
    text = load_render(format_name)(placeless, inherited)
    found = read_by(READ_BY["dash"][1], text.encode(), tmp_path, inherited)
    assert "AGENTKEYS_S3_BUCKET" not in found
    assert found["AWS_PROFILE"] == "work"


@pytest.mark.parametrize("format_name", FORMATS)
def test_what_is_printed_ends_its_last_line(format_name: str) -> None:
    """For people and for files."""
    assert load_render(format_name)(GIVEN, {}).endswith("\n")
