"""Every program in docs/python.md runs as it stands there, and prints what is said."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.programs import Home
from tests.support.python_environments import AIOBOTO3, AIOBOTOCORE, python_with

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "python.md"
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```\n+```text\n(.*?)^```",
    DOCUMENT.read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


def interpreter(program: str) -> Path:
    """One that has what the program imports."""
    if "import aioboto3" in program:
        return python_with(AIOBOTO3)
    if "aiobotocore_session" in program:
        return python_with(AIOBOTOCORE)
    return Path(sys.executable)


def test_every_example_is_found() -> None:
    """Each shows its output."""
    assert len(EXAMPLES) == DOCUMENT.read_text(encoding="utf-8").count("```python") == 6


@pytest.mark.parametrize(("program", "output"), EXAMPLES)
def test_the_example_works(sandbox_home: Home, program: str, output: str) -> None:
    """With nothing but a sandbox that runs; warnings are errors."""
    script = sandbox_home.work / "example.py"
    script.write_text(program, encoding="utf-8")
    assert sandbox_home.succeed(interpreter(program), "-I", "-W", "error", script) == output
