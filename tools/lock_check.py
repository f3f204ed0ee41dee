"""Whether the lock files hold all that pyproject.toml asks for; needs no network.

That each of them is complete, with what its packages need in turn, pip finds when it installs
them: with --require-hashes it takes nothing that is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

sys.path.append(str(Path(__file__).resolve().parent.parent))

from tools.asked import ALONE, asked_for
from tools.pins import Pin, load_pins

__all__ = ["problems"]

_PYTHONS = ("3.11", "3.12", "3.13")
_SYSTEMS = (("linux", "Linux"), ("darwin", "Darwin"))
_MACHINES = ("x86_64", "arm64", "aarch64")
_ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": name,
        "platform_machine": machine,
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    for python, (system, name), machine in product(_PYTHONS, _SYSTEMS, _MACHINES)
]
"""What is promised to work. The rest of PEP 508's names keep this machine's values."""


def problems(project: Path) -> list[str]:
    """A sentence for each, in a stable order; none where the locks answer pyproject.toml."""
    asked = asked_for(project)
    folder = project / "requirements"
    found = [f"requirements/{name}.txt is missing" for name in asked if not _at(folder, name)]
    found += [
        f"requirements/{path.name} is of no use: pyproject.toml asks for nothing of that name"
        for path in sorted(folder.glob("*.txt"))
        if path.stem not in asked
    ]
    locks: dict[str, list[Pin]] = {}
    for name in (name for name in asked if _at(folder, name)):
        try:
            locks[name] = load_pins(folder / f"{name}.txt")
        except ValueError as problem:
            found.append(f"requirements/{name}.txt: {problem}")
    for name, pins in locks.items():
        found += (f"requirements/{name}.txt: {words}" for words in _within(asked[name], pins))
    return found + list(_between(locks))


def _at(folder: Path, name: str) -> bool:
    return (folder / f"{name}.txt").is_file()


def _within(asked: Sequence[Requirement], pins: list[Pin]) -> Iterator[str]:
    names = {canonicalize_name(requirement.name) for requirement in asked}
    for pin in pins:
        if not pin.sha256:
            yield f"{pin.name} {pin.version} has no hash"
        if not pin.wanted_by and pin.name not in names:
            yield f"{pin.name} is asked for no longer"
    for requirement in asked:
        unmet = [env for env in _ENVIRONMENTS if not _is_met(requirement, pins, env)]
        if unmet:
            where = " ".join(
                unmet[0][key] for key in ("python_version", "sys_platform", "platform_machine")
            )
            yield f"{requirement} is not in it for Python {where}"


def _is_met(requirement: Requirement, pins: list[Pin], environment: dict[str, str]) -> bool:
    """Where it is wanted at all, exactly one line applies, and its version will do."""
    if requirement.marker and not requirement.marker.evaluate(environment):
        return True
    name = canonicalize_name(requirement.name)
    versions = [pin.version for pin in pins if pin.name == name and pin.applies(environment)]
    return len(versions) == 1 and requirement.specifier.contains(versions[0], prereleases=True)


def _between(locks: Mapping[str, list[Pin]]) -> Iterator[str]:
    """What is installed side by side may not differ."""
    shared: dict[str, set[str]] = {}
    for name, pins in locks.items():
        if name not in ALONE:
            for pin in pins:
                shared.setdefault(pin.name, set()).add(str(pin.requirement).partition(";")[0])
    for package, requirements in sorted(shared.items()):
        versions = {requirement.partition("==")[2].strip() for requirement in requirements}
        if len(versions) > 1 and not _is_forked(package, versions, locks):
            yield f"{package} is not the same in every lock: {', '.join(sorted(versions))}"


def _is_forked(package: str, versions: set[str], locks: Mapping[str, list[Pin]]) -> bool:
    """Whether each lock that has the package has all its versions, for different Pythons."""
    return all(
        held == versions
        for pins in locks.values()
        if (held := {pin.version for pin in pins if pin.name == package})
    )


def main() -> int:
    found = problems(Path(__file__).resolve().parent.parent)
    for words in found:
        print(f"lock-check: {words}; run: make lock", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
