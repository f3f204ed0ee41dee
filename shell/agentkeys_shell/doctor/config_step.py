"""Whether the configuration can be read, which one is in force, and whether it has the profile."""

from __future__ import annotations

from agentkeys.config import Config, ConfigSource
from agentkeys.doctor import Finding
from agentkeys.doctor.finding import failed, ok, warning
from agentkeys.errors import ConfigError, UnknownProfile
from agentkeys.private_files import exposed_parent
from agentkeys_shell.doctor.asked import Asked

__all__ = ["check_config"]

STEP = "config"
_WORLD_OR_GROUP = 0o022
_ORIGINS = {
    "environment": "AGENTKEYS_BROKER_URL and AGENTKEYS_DATA_ROLE_ARN",
    "sandbox": "the running sandbox's configuration",
}


def check_config(asked: Asked) -> Finding:
    """Raises ConfigError where nobody can say where the configuration would be."""
    path = asked.paths.config
    try:
        config = ConfigSource(environ=asked.environ, paths=asked.paths).current()
        profile = config.profile(asked.wanted)
    except ConfigError as problem:
        return failed(STEP, _code(problem, asked), problem.message, problem.hint, file=str(path))
    facts = {"config": config.origin, "profile": profile.name, "store": profile.store.name}
    exposed = config.path and exposed_parent(config.path)
    if exposed:
        return warning(
            STEP,
            "config_folder_exposed",
            f"others may write in {exposed}, and could replace the configuration {config.path}",
            f"run: chmod go-w {exposed}",
            **facts,
        )
    return ok(STEP, f"{_origin(config, asked)}, profile {profile.name}", **facts)


def _code(problem: ConfigError, asked: Asked) -> str:
    """What a machine is told of a problem whose words are for people."""
    if isinstance(problem, UnknownProfile):
        return problem.code
    try:
        found = asked.paths.config.stat()
    except OSError:
        return "config_missing" if asked.environ.get("AGENTKEYS_CONFIG") else problem.code
    if found.st_uid not in (asked.uid, 0) or found.st_mode & _WORLD_OR_GROUP:
        return "config_exposed"
    return problem.code


def _origin(config: Config, asked: Asked) -> str:
    """With the variables that people expect to count and that do not."""
    if config.path is None or config.origin == "sandbox":
        return _ORIGINS.get(config.origin, config.origin)
    shown = str(config.path)
    if asked.environ.get("AGENTKEYS_CONFIG"):
        return f"{shown} (AGENTKEYS_CONFIG)"
    if asked.environ.get("AGENTKEYS_BROKER_URL"):
        return f"{shown} (beside it, AGENTKEYS_BROKER_URL does not count)"
    return shown
