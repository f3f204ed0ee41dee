"""What pyproject.toml asks for, by the lock file that has to answer it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["ALONE", "asked_for", "project_version"]

ALONE = ("aiobotocore",)
"""Locks that share no environment with the others: this one wants a botocore of its own."""

_TOGETHER = {"boto3": "sandbox", "pairing": "sandbox"}
"""Extras that are part of a larger one; every other has a lock of its own name."""


def asked_for(project: Path) -> dict[str, list[Requirement]]:
    """The requirements of each lock, in the order in which pyproject.toml has them.

    Raises KeyError where pyproject.toml lacks a table or includes a group that it does not have.
    """
    document = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    groups = document["dependency-groups"]
    asked: dict[str, list[Requirement]] = {"build": _parsed(document["build-system"]["requires"])}
    asked["runtime"] = _parsed(document["project"]["dependencies"])
    for extra, requirements in document["project"]["optional-dependencies"].items():
        asked.setdefault(_TOGETHER.get(extra, extra), []).extend(_parsed(requirements))
    for group in groups:
        asked.setdefault(group, []).extend(_parsed(_of_group(groups, group)))
    return asked


def project_version(project: Path) -> str:
    """As the wheel has it."""
    document = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    path = project / str(document["tool"]["hatch"]["version"]["path"])
    source = path.read_text(encoding="utf-8")
    (line,) = (line for line in source.splitlines() if line.startswith("__version__ = "))
    return line.split('"')[1]


def _parsed(requirements: Iterable[str]) -> list[Requirement]:
    return [Requirement(requirement) for requirement in requirements]


def _of_group(groups: Mapping[str, Sequence[Any]], name: str) -> Iterator[str]:
    """Those of the group and of the groups that it includes."""
    for entry in groups[name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from _of_group(groups, canonicalize_name(entry["include-group"]))
