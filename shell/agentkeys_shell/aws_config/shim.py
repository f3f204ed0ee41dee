"""The command that AWS clients run for credentials, as it can stand in their configuration file."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from agentkeys.errors import ConfigError

__all__ = ["shim_command"]

SHIM = "agentkeys-credential-process"
_HARMLESS = frozenset("_-./@+:,%")


def shim_command(environ: Mapping[str, str], *, program: str = sys.argv[0]) -> str:
    """The absolute path of the shim that belongs to `program`, which is ours and runs.

    Where PATH leads to the same file, as with pipx, it is that path: it survives upgrades. Raises
    ConfigError where there is none, or none that every client can run.
    """
    own = next(filter(_is_program, _candidates(program)), None)
    if own is None:
        raise ConfigError(
            f"this installation lacks {SHIM}", hint="install agentkeys with pipx, uv or pip"
        )
    paths = [path for path in (*_on_path(environ), own) if _is_program(path)]
    same = [str(path) for path in paths if path.samefile(own)]
    usable = next(filter(_needs_no_quotes, same), None)
    if usable is None:
        # Some clients know no quotes, others pass the line to a shell: clients.md, rule 16.
        raise ConfigError(
            f"not every AWS client can run {same[0]!r}: only letters, digits and"
            f" {''.join(sorted(_HARMLESS))} need no quotes",
            hint=f"link {SHIM} from a folder on PATH without others, such as /usr/local/bin",
        )
    return usable


def _candidates(program: str) -> Iterator[Path]:
    for folder in (
        Path(program).absolute().parent,
        Path(sys.executable).parent,
        Path(sysconfig.get_path("scripts")),
    ):
        yield folder / SHIM


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ.get("PATH", "").split(os.pathsep):
        # A relative one means another folder wherever a client starts.
        if folder.startswith("/"):
            yield Path(folder) / SHIM


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _needs_no_quotes(path: str) -> bool:
    return all(char.isalnum() or char in _HARMLESS for char in path)
