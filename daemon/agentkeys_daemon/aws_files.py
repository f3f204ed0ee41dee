"""The AWS configuration files that a run sees instead of the user's own.

A `[default]` in ~/.aws would win over, or mix with, what the run was given; and some clients take
an endpoint from the file only. The files hold no secret and are shared by all runs of a kind.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from agentkeys.config import Profile
from agentkeys.documents import place_variables
from agentkeys.errors import ConfigError
from agentkeys.leases import Lease
from agentkeys.private_files import opened_plainly, private_folder, replace_file

__all__ = ["AwsFiles"]


class AwsFiles:
    """Private AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(
        self, profile: Profile, lease: Lease, *, inherited_region: str | None
    ) -> dict[str, str]:
        """`place_variables`, and the two that name the files."""
        variables = place_variables(profile, lease, inherited_region=inherited_region)
        return variables | self.variables(variables["AWS_REGION"], profile.store.s3_endpoint)

    def variables(self, region: str, endpoint: str | None) -> dict[str, str]:
        """The two variables; the files are there when this returns. Raises ConfigError."""
        content = f"[default]\nregion = {region}\n"
        if endpoint:
            content += f"endpoint_url = {endpoint}\n"
        name = hashlib.sha256(content.encode()).hexdigest()[:16]
        return {
            "AWS_CONFIG_FILE": str(self._ensure(f"config-{name}", content)),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._ensure("credentials", "")),
        }

    def _ensure(self, name: str, content: str) -> Path:
        path = self._folder / name
        if not _holds(path, content):
            try:
                replace_file(private_folder(self._folder) / name, content)
            except OSError as problem:
                raise ConfigError(
                    f"{path} cannot be written: {problem.strerror}",
                    hint="make room on the disk, or make the state folder writable",
                ) from problem
        return path


def _holds(path: Path, content: str) -> bool:
    """Whether it is a file of ours with just that in it: what it says steers AWS clients."""
    try:
        opened = opened_plainly(path)
    except OSError:
        return False
    with opened as file:
        is_ours = os.fstat(file.fileno()).st_uid == os.getuid()
        return is_ours and file.read(len(content) + 1) == content.encode()
