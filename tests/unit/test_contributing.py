"""CONTRIBUTING.md knows every dependency and every target of make."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_REASONS = PAGE.partition("## Why each dependency is here")[2]
_ROW = re.compile(r"^\| `([^`]+)` \| (\S.+) \|$", re.MULTILINE)


def _tables() -> dict[str, list[str]]:
    """What pyproject.toml asks for, table by table."""
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tables = {
        "runtime": document["project"]["dependencies"],
        **document["project"]["optional-dependencies"],
        **document["dependency-groups"],
    }
    tables["build"] = [*document["build-system"]["requires"], *tables["build"]]
    return {
        name: [entry for entry in entries if isinstance(entry, str)]
        for name, entries in tables.items()
    }


TABLES = _tables()


def _section(name: str) -> str:
    return _REASONS.partition(f"\n### {name}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("name", TABLES)
def test_each_dependency_has_its_reason(name: str) -> None:
    """One line each, and none for what is gone."""
    asked = {canonicalize_name(Requirement(entry).name) for entry in TABLES[name]}
    rows = [row for row, _ in _ROW.findall(_section(name))]
    assert sorted(rows) == sorted(asked)


def test_there_is_a_section_for_each_table_and_no_other() -> None:
    """A group that is taken away takes its reasons with it."""
    assert set(re.findall(r"^### (.+)$", _REASONS, re.MULTILINE)) == set(TABLES)


def test_each_target_of_make_is_there() -> None:
    """By its name in the first table."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = " ".join(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)).split()
    table = PAGE.partition("\n\n`.ci/run`")[0]
    rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", table, re.MULTILINE)
    assert sorted(targets) == sorted(re.findall(r"[a-z-]+", " ".join(rows)))
