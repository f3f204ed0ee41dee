"""docs/doctor.md names every diagnosis."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import agentkeys.doctor
import agentkeys_shell.doctor
from agentkeys.doctor import STEPS
from agentkeys.errors import USER_MUST_ACT

PAGE = (Path(__file__).parent.parent.parent / "docs" / "doctor.md").read_text(encoding="utf-8")
CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
PLACE = {"failed": 1, "warning": 1, "_failed": 0, "_found": 0, "how": 1}
"""Which argument of these is a code."""


def sources() -> Iterator[ast.Module]:
    for package in (agentkeys.doctor, agentkeys_shell.doctor):
        for path in Path(str(package.__file__)).parent.glob("*.py"):
            yield ast.parse(path.read_text(encoding="utf-8"))


def codes() -> set[str]:
    """Those that are written out where a finding is made."""
    found = set()
    for module in sources():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            place = PLACE.get(called or "")
            if place is None or len(node.args) <= place:
                continue
            code = node.args[place]
            if isinstance(code, ast.Constant) and CODE.fullmatch(str(code.value)):
                found.add(str(code.value))
    return found


def test_every_code_stands_in_a_table() -> None:
    """With what it means and what to do."""
    first_columns = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    documented = set(re.findall(r"`([a-z0-9_]+)`", " ".join(first_columns)))
    assert len(codes()) > 50
    assert codes() - documented - {"unforeseen"} == set()
    assert documented >= USER_MUST_ACT
    assert "`unforeseen`" in PAGE


def test_every_step_has_a_section() -> None:
    """In the order in which they are told."""
    titles = re.findall(r"^## ([a-z]+)", PAGE, re.MULTILINE)
    assert titles == list(STEPS)
