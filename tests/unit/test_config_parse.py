"""From a TOML file to a sound configuration, or an error that names the key."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.config import BrokerIdentity, Config, SandboxIdentity, parse_config
from agentkeys.config.tables import nearest, parse_duration
from agentkeys.errors import ConfigError, UnknownIdentity, UnknownProfile
from agentkeys.models import Confinement
from agentkeys.stores import AWS, STORE_KINDS

ROLE = "arn:aws:iam::000000000001:role/agentkeys-data"
IDENTITY = '[identities.me]\nsource = "broker"\nurl = "https://broker.example.com"\n'
STORE = '[stores.lab]\nkind = "seaweedfs"\nsts_endpoint = "http://127.0.0.1:18333"\n'
PROFILE = f'[profiles.data]\nidentity = "me"\nstore = "lab"\nrole_arn = "{ROLE}"\n'
GOOD = IDENTITY + STORE + PROFILE


def read(text: str) -> Config:
    return parse_config(text, file="config.toml", origin="test", path=None)


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as found:
        read(text)
    return found.value


def with_identity(line: str) -> str:
    return IDENTITY + line + "\n" + STORE + PROFILE


def with_store(line: str) -> str:
    return IDENTITY + STORE + line + "\n" + PROFILE


def with_profile(line: str) -> str:
    return GOOD + line + "\n"


def test_the_example_of_the_documentation() -> None:
    """Who, where, and what."""
    config = read(
        """
        default_profile = "data"

        [identities.me]
        source = "broker"
        url = "https://broker.example.com"

        [stores.lab]
        kind = "seaweedfs"
        sts_endpoint = "http://127.0.0.1:18333"
        s3_endpoint = "http://127.0.0.1:18333"
        region = "us-east-1"

        [profiles.data]
        identity = "me"
        store = "lab"
        role_arn = "arn:aws:iam::000000000001:role/agentkeys-data"
        duration = "1h"
        bucket = "agentkeys"
        prefix = "bots/{wallet}/"
        """
    )
    profile = config.profile(None)
    assert profile is config.profile("data")
    assert profile.identity is config.identity("me") is config.identity(None)
    assert isinstance(profile.identity, BrokerIdentity)
    assert profile.identity.url == "https://broker.example.com"
    assert profile.store.sts_endpoint == profile.store.s3_endpoint == "http://127.0.0.1:18333"
    assert (profile.region, profile.bucket) == ("us-east-1", "agentkeys")
    assert profile.role_arn is not None
    assert profile.role_arn.name == "agentkeys-data"


def test_what_is_left_out_has_a_default() -> None:
    """The same for everybody, and confinement is never left out."""
    profile = read(GOOD).profile("data")
    assert profile.duration == timedelta(hours=1)
    assert profile.prefix == "bots/{wallet}/"
    assert profile.confine == Confinement("claim", "agentkeys_user_wallet")
    assert profile.identity.audience == "sts.amazonaws.com"
    assert profile.region is profile.bucket is profile.expect_wallet is None


def test_aws_is_built_in() -> None:
    """A profile without a store is one of AWS, and confined by tags."""
    text = IDENTITY + f'[profiles.data]\nidentity = "me"\nrole_arn = "{ROLE}"\n'
    for profile in (read(text).profile(None), read(text + 'store = "aws"\n').profile(None)):
        assert profile.store.kind is AWS
        assert profile.confine == Confinement("tags")


@pytest.mark.parametrize("kind", STORE_KINDS.values(), ids=list(STORE_KINDS))
def test_every_kind_of_store_can_be_configured(kind: object) -> None:
    """With its own way to confine."""
    name = getattr(kind, "name", "")
    text = GOOD.replace('"seaweedfs"', f'"{name}"')
    assert read(text).profile("data").confine == STORE_KINDS[name].default_confine


def test_a_minio_profile_needs_no_role() -> None:
    """The token's claims name the policy there."""
    text = GOOD.replace('"seaweedfs"', '"minio"').replace(f'role_arn = "{ROLE}"\n', "")
    assert read(text).profile("data").role_arn is None


def test_a_profile_s_region_wins_over_its_store_s() -> None:
    """Either may be left out."""
    store = IDENTITY + STORE + 'region = "eu-north-1"\n' + PROFILE
    assert read(store).profile(None).region == "eu-north-1"
    assert read(store + 'region = "eu-south-1"\n').profile(None).region == "eu-south-1"


@pytest.mark.parametrize("wallet", ["0x" + "aB" * 20, "aB" * 32])
def test_a_pinned_wallet_may_be_in_any_case(wallet: str) -> None:
    """Wallets show them so; an omni stands for a session without one."""
    profile = read(with_profile(f'expect_wallet = "{wallet}"')).profile(None)
    assert profile.expect_wallet == wallet.lower()


def test_a_sandbox_identity_is_one_of_a_broker() -> None:
    """That also signs for it."""
    text = '[identities.s]\nsource = "sandbox"\nurl = "http://127.0.0.1:1/"\nemail = "a@b"\n'
    identity = read(text).identity("s")
    assert identity == SandboxIdentity(
        "s", "http://127.0.0.1:1", "sts.amazonaws.com", "http://127.0.0.1:1", "a@b"
    )
    assert identity.source == "sandbox"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://broker.example.com/", "https://broker.example.com"),
        ("https://broker.example.com:8443", "https://broker.example.com:8443"),
        ("https://example.com/broker/", "https://example.com/broker"),
        ("http://localhost:8091", "http://localhost:8091"),
        ("http://127.8.0.1", "http://127.8.0.1"),
        ("http://[::1]:8091", "http://[::1]:8091"),
    ],
)
def test_urls_that_may_be_used(written: str, meant: str) -> None:
    """Without the slash at the end."""
    identity = read(GOOD.replace("https://broker.example.com", written)).identity("me")
    assert isinstance(identity, BrokerIdentity)
    assert identity.url == meant


@pytest.mark.parametrize(
    "url",
    [
        "http://broker.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0:8091",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[::ffff:127.0.0.1]",
        "http://[::1%25eth0]",
        "HTTP://broker.example.com",
    ],
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    """Tokens and keys travel there."""
    problem = refusal(GOOD.replace("https://broker.example.com", url))
    assert "not this machine" in problem.message
    assert "use https://" in problem.hint


@pytest.mark.parametrize("key", ["url", "signer_url", "sts_endpoint", "s3_endpoint"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("http://example.com", "not this machine", id="plain http"),
        pytest.param("broker.example.com", "not a base URL", id="no scheme"),
        pytest.param("ftp://example.com", "not a base URL", id="ftp"),
        pytest.param("file:///etc", "not a base URL", id="a file"),
        pytest.param("https://", "not a base URL", id="no host"),
        pytest.param("https://:443", "not a base URL", id="only a port"),
        pytest.param("https://[::1", "not a base URL", id="half a bracket"),
        pytest.param("https://[x]", "not a base URL", id="no address in the brackets"),
        pytest.param("https://a:99999", "not a base URL", id="no such port"),
        pytest.param("https://a:0", "not a base URL", id="port 0"),
        pytest.param("https://a:b", "not a base URL", id="a word for a port"),
        pytest.param("https://a/?x=1", "not a base URL", id="a query"),
        pytest.param("https://a?", "not a base URL", id="an empty query"),
        pytest.param("https://a/#x", "not a base URL", id="a fragment"),
        pytest.param("https://a b", "not a base URL", id="a space"),
        pytest.param("https://a ", "not a base URL", id="a space at the end"),
        pytest.param("https://a\\\\b", "not a base URL", id="a backslash"),
        pytest.param("https://me:secret@a", "a user name or a password", id="a password"),
        pytest.param("https://me:secret@a?x", "a user name", id="a password and a query"),
        pytest.param("ftp://me:secret@a", "a user name", id="a password for ftp"),
    ],
)
def test_a_url_that_must_not_be_used_is_refused(key: str, url: str, words: str) -> None:
    """Wherever one stands; what may be a password is not repeated."""
    texts = {
        "url": GOOD.replace("https://broker.example.com", url),
        "signer_url": with_identity(f'signer_url = "{url}"'),
        "sts_endpoint": GOOD.replace("http://127.0.0.1:18333", url),
        "s3_endpoint": with_store(f's3_endpoint = "{url}"'),
    }
    problem = refusal(texts[key])
    assert f".{key} " in problem.message
    assert words in problem.message
    assert "secret" not in problem.message + problem.hint


CASES = [
    # What the file is.
    pytest.param("x", "config.toml is not valid TOML", "mend that line", id="no toml"),
    pytest.param("[a", "not valid TOML", "", id="half a table"),
    pytest.param('a = "1"\na = "2"', "not valid TOML", "", id="a key twice"),
    pytest.param("a = 1979-13-45", "not valid TOML", "", id="an impossible date"),
    pytest.param("a = " + "9" * 5000, "not valid TOML", "", id="a long number"),
    pytest.param("a = " + "[" * 9000, "nests too deeply", "", id="deep nesting"),
    # Unknown keys, with the nearest one.
    pytest.param('profil = "x"', "profil is not a known key", "profiles", id="top"),
    pytest.param(
        "[identity.me]", "identity is not a known key", "identities", id="singular for plural"
    ),
    pytest.param(
        with_identity('audiance = "x"'),
        "identities.me.audiance is not",
        "did you mean audience?",
        id="identity",
    ),
    pytest.param(
        with_store('endpoint = "x"'), "stores.lab.endpoint is not", "endpoint?", id="store"
    ),
    pytest.param(
        with_profile('durations = "1h"'),
        "profiles.data.durations is not",
        "did you mean duration?",
        id="profile",
    ),
    pytest.param(
        with_profile("qqq = 1"), "profiles.data.qqq is not", "known keys: identity", id="no guess"
    ),
    pytest.param(
        with_identity('client_secret = "x"'), "client_secret is not a known key", "", id="a secret"
    ),
    # Wrong types.
    pytest.param(with_profile("bucket = 7"), "bucket is a number, not a string", "", id="number"),
    pytest.param(with_profile("bucket = 7.5"), "bucket is a number", "", id="fraction"),
    pytest.param(with_profile("bucket = true"), "bucket is a boolean", "", id="boolean"),
    pytest.param(with_profile("bucket = []"), "bucket is a list", "", id="list"),
    pytest.param(with_profile("bucket = {}"), "bucket is a table", "", id="table"),
    pytest.param(with_profile("bucket = 2030-01-01"), "bucket is a date", "", id="date"),
    pytest.param(with_profile('bucket = ""'), "bucket is empty or has control", "", id="empty"),
    pytest.param(with_profile('bucket = "a\\nb"'), "control characters", "", id="two lines"),
    pytest.param(with_profile("duration = 3600"), "duration is a number", "", id="seconds"),
    pytest.param('identities = "me"', "identities is a string, not a table", "", id="text"),
    pytest.param("profiles = []", "profiles is a list, not a table", "[profiles.NAME]", id="[]"),
    pytest.param('[profiles]\nx = "y"', "profiles.x is a string, not a table", "", id="no name"),
    pytest.param("[[stores]]", "stores is a list, not a table", "", id="a list of tables"),
    pytest.param("default_profile = 1", "default_profile is a number", "", id="default number"),
    pytest.param("idle_exit = 30", "idle_exit is a number", "quotes", id="idle number"),
    pytest.param('idle_exit = "0s"', "idle_exit is not a duration", "15m", id="idle at once"),
    # Names.
    pytest.param('[profiles."a b"]', "profiles.a b is not a usable name", "", id="a space"),
    pytest.param('[profiles."../x"]', "is not a usable name", "", id="a path"),
    pytest.param('[identities."@default"]', "is not a usable name", "", id="a reserved name"),
    pytest.param('[identities.""]', "is not a usable name", "", id="an empty name"),
    pytest.param(f"[stores.{'x' * 65}]", "is not a usable name", "", id="a long name"),
    pytest.param('[stores."a\\n"]', "is not a usable name", "", id="a line's end in a name"),
    # References.
    pytest.param(
        GOOD.replace('identity = "me"', 'identity = "mee"'),
        "profiles.data.identity names 'mee', which is not among the identities",
        "did you mean me?",
        id="identity",
    ),
    pytest.param(
        PROFILE, "names 'me', which is not among the id", "[identities.me]", id="no identities"
    ),
    pytest.param(
        GOOD.replace('store = "lab"', 'store = "labs"'),
        "profiles.data.store names 'labs', which is not among the stores",
        "did you mean lab?",
        id="store",
    ),
    pytest.param(
        GOOD.replace('store = "lab"', 'store = "qqqq"'),
        "names 'qqqq'",
        "write one of: aws, lab",
        id="a store like none",
    ),
    pytest.param(
        'default_profile = "dada"\n' + GOOD,
        "default_profile names 'dada', which is not among the profiles",
        "did you mean data?",
        id="default",
    ),
    # What is missing.
    pytest.param("[identities.me]", "identities.me.source is missing", "", id="no source"),
    pytest.param('[identities.me]\nsource = "broker"', "me.url is missing", "", id="no url"),
    pytest.param(
        '[identities.me]\nsource = "sandbox"\nurl = "http://localhost"', "email is missing", "",
        id="no e-mail",
    ),
    pytest.param("[stores.lab]", "stores.lab.kind is missing", "", id="no kind"),
    pytest.param(
        '[stores.lab]\nkind = "minio"', "lab.sts_endpoint is missing", "minio", id="no endpoint"
    ),
    pytest.param("[profiles.data]", "profiles.data.identity is missing", "", id="no identity"),
    pytest.param(
        GOOD.replace(f'role_arn = "{ROLE}"\n', ""), "role_arn is missing", "arn:aws", id="no role"
    ),
    # Values.
    pytest.param(
        '[identities.me]\nsource = "brokr"', "source cannot be 'brokr'", "broker",
        id="source",
    ),
    pytest.param(
        '[stores.lab]\nkind = "seaweed"', "stores.lab.kind is wrong", '"seaweedfs"', id="kind"
    ),
    pytest.param(
        GOOD.replace(ROLE, "data"), "data.role_arn is wrong: 'data'", "arn:aws", id="role"
    ),
    pytest.param(with_profile('duration = "long"'), "is not a duration: 'long'", "1h", id="word"),
    pytest.param(with_profile('duration = "14m"'), "duration is outside", "15m to 720m", id="14m"),
    pytest.param(with_profile('duration = "13h"'), "duration is outside", "15m to 720m", id="13h"),
    pytest.param(with_profile('confine = "none"'), "confine is wrong: 'none'", "role", id="none"),
    pytest.param(with_profile('confine = "claim:"'), "confine is wrong", "claim:NAME", id="claim:"),
    pytest.param(with_profile('prefix = "{name}/"'), "prefix is wrong", "{wallet}", id="prefix"),
    pytest.param(with_profile('region = "a b"'), "data.region is not a region", "us", id="region"),
    pytest.param(
        IDENTITY
        + '[profiles.data]\nidentity = "me"\nregion = "frankfurt"\n'
        + 'role_arn = "arn:aws:iam::000000000001:role/data"\n',
        "data.region is wrong: 'frankfurt' is not an AWS region",
        "us-east-1",
        id="no region of AWS",
    ),
    pytest.param(with_store('region = "x/y"'), "lab.region is not a region", "us", id="a path"),
    pytest.param(with_profile('expect_wallet = "me"'), "not a wallet: 'me'", "0x", id="wallet"),
    pytest.param(
        IDENTITY + '[stores.aws]\nkind = "aws"', "stores.aws is built in", "another name", id="aws"
    ),
    pytest.param(with_profile('prefix = "*"'), "prefix is wrong", "{wallet}", id="wildcard"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words", "hint"), CASES)
def test_a_mistake_is_named_with_its_place(text: str, words: str, hint: str) -> None:
    """The file, the key, and what would be right, on one line each."""
    problem = refusal(text)
    assert problem.message.startswith("config.toml")
    assert words.lower() in problem.message.lower()
    assert hint in problem.hint
    assert problem.hint
    assert problem.code == "config_invalid"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600), ("90m", 5400), ("1h30m", 5400), ("900s", 900), ("1h1m1s", 3661), ("015m", 900)],
)
def test_durations_are_written_with_units(text: str, seconds: int) -> None:
    """From the greatest to the least."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "0h0m", "3600", "1d", "1m1h", "-1h", "1.5h", "1 h", "1h\n", "1H"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit could be anything."""
    with pytest.raises(ValueError) as found:  # noqa: PT011 - the text is the whole message
        parse_duration(text)
    assert str(found.value) == text


@pytest.mark.parametrize("text", ["9" * 20 + "h", "9" * 5000 + "h"])
def test_a_duration_beyond_all_bounds_is_refused(text: str) -> None:
    """As one that is outside of what the store takes."""
    assert "duration" in refusal(with_profile(f'duration = "{text}"')).message


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """A configuration or a ConfigError."""
    with contextlib.suppress(ConfigError):
        read(text)


@given(
    st.sampled_from(["identities.me", "stores.lab", "profiles.data"]),
    st.sampled_from(["source", "url", "kind", "sts_endpoint", "identity", "duration", "prefix"]),
    st.sampled_from(["1", "true", "[]", "{}", "2030-01-01", "nan"])
    | st.text(st.characters(codec="utf-8", exclude_characters="'"), max_size=20).map(
        lambda text: "'" + text.replace("\n", "").replace("\r", "") + "'"
    ),
)
def test_no_value_breaks_the_parser(table: str, key: str, value: str) -> None:
    """Wherever it stands."""
    try:
        read(f"[{table}]\n{key} = {value}\n")
    except ConfigError as problem:
        assert problem.hint  # noqa: PT017 - not always raised


def test_the_nearest_name_is_near() -> None:
    """A guess that is far off would only confuse."""
    assert nearest("profil", ["profiles", "stores"]) == "profiles"
    assert nearest("zzz", ["profiles", "stores"]) is None
    assert nearest("x", []) is None


# Finding what was asked for.


def test_a_daemon_stays_unless_it_is_told_how_long() -> None:
    """Half an hour, or for ever."""
    assert read(GOOD).idle_exit is None
    assert read('idle_exit = "30m"\n' + GOOD).idle_exit == timedelta(minutes=30)


TWO = GOOD + PROFILE.replace("profiles.data", "profiles.work")


def test_the_only_profile_is_the_default() -> None:
    """Of two, one has to be named."""
    assert read(GOOD).default_profile == "data"
    assert read(TWO).default_profile is None
    assert read('default_profile = "work"\n' + TWO).profile(None).name == "work"


@pytest.mark.parametrize(
    ("text", "name", "message", "hint"),
    [
        pytest.param(GOOD, "date", "no profile 'date'", "did you mean data?", id="nearly"),
        pytest.param(GOOD, "qqq", "no profile 'qqq'", "configured profiles: data", id="unlike any"),
        pytest.param("", "data", "no profile 'data'", "configured profiles: none", id="none"),
        pytest.param(TWO, None, "no default one", "--profile (data, work)", id="no default"),
        pytest.param("", None, "nothing is configured yet", "agentkeys init", id="nothing"),
    ],
)
def test_an_unknown_profile_is_named_with_the_nearest(
    text: str, name: str | None, message: str, hint: str
) -> None:
    """Or with all that there are."""
    with pytest.raises(UnknownProfile, match=message) as found:
        read(text).profile(name)
    assert hint in found.value.hint


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        pytest.param(GOOD, "m", "did you mean me?", id="nearly"),
        pytest.param(GOOD, "qqq", "configured identities: me", id="unlike any"),
        pytest.param("", "me", "configured identities: none", id="none"),
    ],
)
def test_an_unknown_identity_is_named_with_the_nearest(text: str, name: str, hint: str) -> None:
    """Or with all that there are."""
    with pytest.raises(UnknownIdentity, match=f"no identity '{name}'") as found:
        read(text).identity(name)
    assert hint in found.value.hint


def test_the_identity_meant_by_default() -> None:
    """The default profile's, or the only one there is: one logs in before making profiles."""
    assert read(IDENTITY).identity(None).name == "me"
    assert read(TWO).identity(None).name == "me"
    two = IDENTITY + IDENTITY.replace("identities.me", "identities.you")
    with pytest.raises(UnknownProfile):
        read(two).identity(None)
