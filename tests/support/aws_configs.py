"""AWS configuration files as people, editors and other tools leave them."""

from __future__ import annotations

import configparser

from hypothesis import strategies as st

__all__ = ["OTHERS", "aws_configs", "read_by_configparser"]

OTHERS = (
    b"[default]\nregion = eu-west-1\noutput=json\n\n"
    b"# the office\r\n[profile office]\r\nsso_session = corp\r\nregion: us-east-2\r\n"
    b"[profile data.old]\n  region = us-west-2\n  s3 =\n    addressing_style = path\n\n\n"
    b"[sso-session corp]\nsso_region = us-east-1\n; name: \xe9t\xe9\n[preview]\ncloudfront=true"
)
"""Sections that are nobody's business, with what editors do to files."""

_HEADERS = (
    b"[default]", b"[profile data]", b'[profile "data"]', b"[profile  data]  # mine",
    b"[profile default]", b"[profile data2]", b"[profile]", b"[ profile data ]", b"[DEFAULT]",
    b"[sso-session data]", b"[preview]", b"[profile b\xc3\xbccher]",
)  # fmt: skip
_KEYS = (
    b"region", b"Region", b"output", b"endpoint_url", b"credential_process", b"s3", b"services",
    b"cli_pager", b"x",
)  # fmt: skip
_VALUES = (
    b"", b"eu-west-1", b"us-east-1", b"a = b", b"[x]", b"json # why", b"\xe9", b"\xc2\xa0", b"'",
    b"/bin/shim --profile data", b"%(x)s",
)  # fmt: skip
_ENDS = (b"\n", b"\r\n", b"\r", b" \n", b"\t\r\n")
_INDENTS = (b"", b"", b"", b" ", b"  ", b"\t", b"\xc2\xa0", b"        ")


def _options() -> st.SearchStrategy[bytes]:
    separators = st.sampled_from((b" = ", b"=", b": ", b" =\t"))
    return st.builds(bytes.__add__, st.sampled_from(_KEYS), separators).flatmap(
        lambda start: st.sampled_from(_VALUES).map(lambda value: start + value)
    )


def aws_configs() -> st.SearchStrategy[bytes]:
    """Any of them, those among them that not every client can read."""
    words = st.one_of(
        st.sampled_from(_HEADERS),
        _options(),
        _options(),
        st.sampled_from((b"", b"", b"# region = x", b"; a note", b"\x0c", b"word")),
    )
    lines = st.builds(
        lambda *parts: b"".join(parts), st.sampled_from(_INDENTS), words, st.sampled_from(_ENDS)
    )
    return st.builds(
        lambda mark, lines, last: mark + b"".join(lines) + last,
        st.sampled_from((b"", b"", b"", b"\xef\xbb\xbf")),
        st.lists(lines, max_size=14),
        st.sampled_from((b"", b"", b"[default]", b"[profile data]", b"region = x", b"  more")),
    )


def read_by_configparser(content: bytes) -> dict[str, dict[str, str]]:
    """What botocore's parser finds, were it lenient about repetition and about bytes."""
    parser = configparser.RawConfigParser(strict=False)
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    parser.read_string(text.replace("\r\n", "\n").replace("\r", "\n"))
    return {name: dict(section) for name, section in parser.items()}
