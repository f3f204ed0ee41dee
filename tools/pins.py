"""A lock file as pip reads it: one version of each package, and the hashes of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["Pin", "load_pins", "parse_pins"]

_NEXT = re.compile(r"^(?=[^\s#])", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_WANTED_BY = re.compile(r"^    #(?: via|  ) ([a-z0-9-]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """One package in one version."""

    requirement: Requirement
    """Its marker says where it applies."""
    sha256: tuple[str, ...]
    """Of every file of that version, in hex."""
    wanted_by: tuple[str, ...]
    """The packages of the same lock that require it; none where only pyproject.toml does."""

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (specifier,) = self.requirement.specifier
        return specifier.version

    def applies(self, environment: dict[str, str]) -> bool:
        """Whether pip installs it there; `environment` has PEP 508's names."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(environment)


def load_pins(path: Path) -> list[Pin]:
    """Raises OSError, and ValueError as parse_pins() does."""
    return parse_pins(path.read_text(encoding="utf-8"))


def parse_pins(text: str) -> list[Pin]:
    """In the order of the lock. Raises ValueError for what is not a package in one version."""
    blocks = _NEXT.split(text)
    return [_parse_pin(block) for block in blocks if _COMMENT.sub("", block).strip()]


def _parse_pin(block: str) -> Pin:
    words = _COMMENT.sub("", _HASH.sub("", block)).replace("\\\n", " ")
    # InvalidRequirement, which an option such as --index-url makes too, is a ValueError.
    requirement = Requirement(words.strip())
    if [specifier.operator for specifier in requirement.specifier] != ["=="]:
        raise ValueError(f"{requirement} is not one version")
    return Pin(
        requirement=requirement,
        sha256=tuple(_HASH.findall(block)),
        wanted_by=tuple(_WANTED_BY.findall(block)),
    )
