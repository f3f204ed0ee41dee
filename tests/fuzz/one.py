"""Fuzzes one edge with atheris: `python -I tests/fuzz/one.py EDGE [OPTION|FOLDER]...`.

Options and folders are libFuzzer's. Ends with the first finding, which it prints and keeps as a
file, or when its time is up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore] # for `make fuzz` alone

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

# What it is told about must be seen from the first import on: every branch taken is a hint.
with atheris.instrument_imports(
    include=["agentkeys", "agentkeys_daemon", "h11", "jwt", "tests.fuzz", "tomllib", "uvicorn"]
):
    from tests.fuzz.edges import EDGES


def main() -> None:
    edge = EDGES[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], edge.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
