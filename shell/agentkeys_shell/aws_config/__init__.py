"""Profiles of ours in the user's AWS configuration file, whose every other byte stays."""

from agentkeys_shell.aws_config.configuring import AwsConfig
from agentkeys_shell.aws_config.files import aws_file
from agentkeys_shell.aws_config.memory import OwnProfile
from agentkeys_shell.aws_config.outcome import Outcome, Section
from agentkeys_shell.aws_config.settings import AwsProfile
from agentkeys_shell.aws_config.shim import shim_command

__all__ = [
    "AwsConfig",
    "AwsProfile",
    "Outcome",
    "OwnProfile",
    "Section",
    "aws_file",
    "shim_command",
]
