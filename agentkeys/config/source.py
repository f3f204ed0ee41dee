"""Finds the configuration, reads it, and reads it again when it has changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from agentkeys.config.parse import parse_config
from agentkeys.config.stores import BUILT_IN
from agentkeys.config.values import Config
from agentkeys.errors import ConfigError, SandboxError
from agentkeys.paths import Paths
from agentkeys.sandbox_record import SandboxRecord, is_live, load_sandbox_record, record_path

__all__ = ["ConfigSource"]

MAX_CONFIG_BYTES = 1_000_000
_NOTHING = Config(
    "none",
    None,
    None,
    MappingProxyType({}),
    MappingProxyType({}),
    stores=MappingProxyType({BUILT_IN.name: BUILT_IN}),
)
Signature = tuple[object, ...]


class ConfigSource:
    """The configuration as it stands now.

    In order: the file that AGENTKEYS_CONFIG names, the user's own file, AGENTKEYS_BROKER_URL with
    AGENTKEYS_DATA_ROLE_ARN, a running sandbox. A running sandbox's profiles are there in any case;
    its default profile counts only where nothing else is configured.
    """

    def __init__(self, *, environ: Mapping[str, str], paths: Paths) -> None:
        self._environ = environ
        self._paths = paths
        self._signature: Signature | None = None
        self._config = _NOTHING
        # As text: these are looked at for every request, and a Path is slow to turn into one.
        self._own_path = str(paths.config)
        self._sandbox_path = str(paths.sandbox / "config.toml")
        self._record_path = str(record_path(paths.sandbox))
        self._record_signature: Signature | None = None
        self._record: SandboxRecord | None = None

    def current(self) -> Config:
        """Raises ConfigError while the file is wrong; costs three `stat` while nothing changes."""
        signature = self._look()
        if signature != self._signature:
            self._config = self._read()
            self._signature = signature
        return self._config

    def _look(self) -> Signature:
        return (
            _file_signature(self._own_path),
            _file_signature(self._sandbox_path),
            self._sandbox_is_live(),
        )

    def _read(self) -> Config:
        own = self._own()
        try:
            return _with_sandbox(own, self._sandbox())
        except ConfigError:
            if own is _NOTHING:
                raise
            # A sandbox's broken configuration must not take the user's own profiles away.
            return own

    def _own(self) -> Config:
        named = bool(self._environ.get("AGENTKEYS_CONFIG"))
        path = self._paths.config
        if named or not _is_absent(path):
            return parse_config(_read_trusted(path), file=str(path), origin=str(path), path=path)
        url = self._environ.get("AGENTKEYS_BROKER_URL")
        if url:
            return _from_environment(url, self._environ.get("AGENTKEYS_DATA_ROLE_ARN"))
        return _NOTHING

    def _sandbox_is_live(self) -> bool:
        signature = _file_signature(self._record_path)
        if signature != self._record_signature:
            self._record, self._record_signature = self._read_record(), signature
        return self._record is not None and is_live(self._record)

    def _read_record(self) -> SandboxRecord | None:
        try:
            return load_sandbox_record(self._paths.sandbox)
        except SandboxError:
            # A record that cannot be read must not take the user's own profiles away.
            return None

    def _sandbox(self) -> Config | None:
        if not self._sandbox_is_live():
            return None
        path = Path(self._sandbox_path)
        return parse_config(_read_trusted(path), file=str(path), origin="sandbox", path=path)


def _with_sandbox(own: Config, sandbox: Config | None) -> Config:
    """`own` with the profiles of a running sandbox, as far as their names are free."""
    if sandbox is None:
        return own
    if own is _NOTHING:
        return sandbox
    profiles = {
        name: profile
        for name, profile in sandbox.profiles.items()
        if name not in own.profiles and profile.identity.name not in own.identities
    }
    identities = {profile.identity.name: profile.identity for profile in profiles.values()}
    stores = {profile.store.name: profile.store for profile in profiles.values()}
    return replace(
        own,
        stores=MappingProxyType({**stores, **own.stores}),
        identities=MappingProxyType({**identities, **own.identities}),
        profiles=MappingProxyType({**profiles, **own.profiles}),
    )


def _from_environment(url: str, role_arn: str | None) -> Config:
    if not role_arn:
        raise ConfigError(
            "AGENTKEYS_BROKER_URL is set but AGENTKEYS_DATA_ROLE_ARN is not",
            hint="set AGENTKEYS_DATA_ROLE_ARN to the role to assume, or run: agentkeys init",
        )
    text = (
        f'default_profile = "default"\n'
        f'[identities.default]\nsource = "broker"\nurl = {_toml(url)}\n'
        f'[profiles.default]\nidentity = "default"\nrole_arn = {_toml(role_arn)}\n'
    )
    return parse_config(text, file="the environment", origin="environment", path=None)


def _toml(text: str) -> str:
    """`text` as a TOML basic string."""
    escaped = "".join(
        char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08X}"
        for char in text
        if not 0xD800 <= ord(char) <= 0xDFFF
    )
    return f'"{escaped}"'


def _read_trusted(path: Path) -> str:
    """The file's text; refuses one that somebody else could have written."""
    try:
        found, content = _read_file(path)
    except OSError as problem:
        raise ConfigError(
            f"the configuration {path} cannot be read: {problem.strerror}",
            hint="check AGENTKEYS_CONFIG, or run: agentkeys init",
        ) from problem
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(
            f"the configuration {path} is not a file", hint="write one, or check AGENTKEYS_CONFIG"
        )
    if found.st_uid not in (os.getuid(), 0) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"the configuration {path} is another user's or writable by others",
            hint=f"run: chmod go-w {path}",
        )
    if len(content) > MAX_CONFIG_BYTES:
        raise ConfigError(f"the configuration {path} is over a megabyte", hint="check its content")
    try:
        return content.decode()
    except UnicodeDecodeError as problem:
        raise ConfigError(f"the configuration {path} is not UTF-8", hint="save it so") from problem


def _read_file(path: Path) -> tuple[os.stat_result, bytes]:
    """What `path` is, and what it holds if it is a file, as far as we care to read."""
    # Without waiting: a pipe that nobody writes to would keep everybody here.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return found, b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return found, file.read(MAX_CONFIG_BYTES + 1)
    finally:
        os.close(descriptor)


def _is_absent(path: Path) -> bool:
    # A file that cannot even be looked at is there, and must not be passed over in silence.
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _file_signature(path: str) -> Signature | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, for every request
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode, found.st_uid)
