"""The AWS configuration files that a run sees instead of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkeys_daemon.aws_files import AwsFiles


def test_the_files_hold_region_and_endpoint_and_no_keys(tmp_path: Path) -> None:
    """Private, and the same for all runs of a kind."""
    files = AwsFiles(tmp_path / "aws")
    first = files.variables("eu-west-1", "https://s3.example.com")
    config = Path(first["AWS_CONFIG_FILE"])
    text = "[default]\nregion = eu-west-1\nendpoint_url = https://s3.example.com\n"
    assert config.read_text() == text
    assert config.stat().st_mode & 0o777 == 0o600
    assert Path(first["AWS_SHARED_CREDENTIALS_FILE"]).read_text() == ""
    assert files.variables("eu-west-1", "https://s3.example.com") == first
    assert files.variables("eu-west-1", None) != first


@pytest.mark.parametrize("planted", ["[default]\ncredential_process = /bin/evil\n", ""])
def test_a_file_that_says_something_else_is_written_anew(planted: str, tmp_path: Path) -> None:
    """What it says steers the AWS clients of every run."""
    files = AwsFiles(tmp_path / "aws")
    config = Path(files.variables("eu-west-1", None)["AWS_CONFIG_FILE"])
    config.write_text(planted)
    files.variables("eu-west-1", None)
    assert config.read_text() == "[default]\nregion = eu-west-1\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """The file takes its place; what it pointed to stays as it is."""
    files = AwsFiles(tmp_path / "aws")
    config = Path(files.variables("eu-west-1", None)["AWS_CONFIG_FILE"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(config.read_text())
    config.unlink()
    config.symlink_to(elsewhere)
    files.variables("eu-west-1", None)
    assert not config.is_symlink()
