"""agentkeys where every user of the machine can run it: a checkout may be its owner's alone."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from tests.support.programs import BIN

__all__ = ["INTERPRETER", "LIBRARIES", "Installation", "installed_for_all"]

_PACKAGES = ("agentkeys", "agentkeys_daemon", "agentkeys_shell")
INTERPRETER_FOLDER = "python{}.{}".format(*sys.version_info)
_PROGRAMS = ("agentkeys", "agentkeys-credential-process")


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment of its own, with our packages as they are now and the others' by reference."""

    folder: Path

    @property
    def bin(self) -> Path:
        """Where the programs are."""
        return self.folder / "bin"

    @property
    def programs(self) -> list[Path]:
        """Our own."""
        return [self.bin / name for name in _PROGRAMS]

    @property
    def packages(self) -> Path:
        """Where Python looks for modules first."""
        [found] = self.folder.glob("lib/python3*/site-packages")
        return found


INTERPRETER = Path(sys.executable).resolve()
"""What this one's environment was made from."""
LIBRARIES = Path(sysconfig.get_path("purelib"))
"""Where this one has its packages."""


@contextmanager
def installed_for_all(
    *,
    interpreter: Path = INTERPRETER,
    libraries: Path = LIBRARIES,
) -> Iterator[Installation]:
    """With other paths, where these two are found by whoever shall run it."""
    folder = Path(mkdtemp(prefix="agentkeys-all-"))
    try:
        packages = folder / "lib" / INTERPRETER_FOLDER / "site-packages"
        packages.mkdir(parents=True)
        for package in _PACKAGES:
            _copy_package(package, packages)
        (packages / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
        made = Installation(folder)
        made.bin.mkdir()
        for program in _PROGRAMS:
            shutil.copyfile(BIN / program, made.bin / program)
        (made.bin / "python3").symlink_to(interpreter)
        (folder / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\n", encoding="utf-8")
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent == made.bin else 0o644)
        yield made
    finally:
        shutil.rmtree(folder)


def _copy_package(name: str, to: Path) -> None:
    spec = find_spec(name)
    assert spec
    [source, *_] = spec.submodule_search_locations or []
    shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    units = Path(source).parent / "units"
    if name == "agentkeys_daemon" and not (to / name / "units").exists():
        # A checkout has them beside the package, where a wheel has them inside.
        shutil.copytree(units, to / name / "units")
