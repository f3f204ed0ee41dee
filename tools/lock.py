"""Makes the lock files in requirements/ anew, from pyproject.toml.

    python -I tools/lock.py              keeps every version that will still do
    python -I tools/lock.py --upgrade    takes the newest of each, if a week old

All that shares an environment is resolved at once, and each lock is then cut out of that answer,
so that no two of them disagree. They hold for every Python and system that pyproject.toml names,
and allow wheels only: what pip installs from them runs no code before it is asked for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement

sys.path.append(str(Path(__file__).resolve().parent.parent))

from tools.asked import ALONE, asked_for

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "requirements"
_UV = Path(sys.executable).parent / "uv"
_OPTIONS = (
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--only-binary=:all:",
    # Where packages came from is this machine's business; what they are, the hashes say.
    "--no-emit-index-url",
    "--custom-compile-command=make lock",
    "--quiet",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest of each package")
    # Most bad releases are found and withdrawn within days; 0 is for a fix that cannot wait.
    parser.add_argument("--days", type=int, default=7, help="take nothing younger (default: 7)")
    options = parser.parse_args()
    asked = asked_for(PROJECT)
    FOLDER.mkdir(exist_ok=True)
    _lock({name: asked[name] for name in asked if name not in ALONE}, options)
    for name in ALONE:
        _lock({name: asked[name]}, options)
    return 0


def _lock(asked: Mapping[str, list[Requirement]], options: argparse.Namespace) -> None:
    """The locks of one environment."""
    paths = {name: FOLDER / f"{name}.txt" for name in asked}
    present = [path.read_text(encoding="utf-8") for path in paths.values() if path.exists()]
    with tempfile.TemporaryDirectory(prefix="agentkeys-lock-") as folder:
        everything = Path(folder, "everything.txt")
        everything.write_text("" if options.upgrade else "\n".join(present), encoding="utf-8")
        _compile(chain.from_iterable(asked.values()), everything, options.days)
        for name, path in paths.items():
            # uv prefers the versions of the file that it writes over.
            path.write_bytes(everything.read_bytes())
            _compile(asked[name], path, options.days)


def _compile(asked: Iterable[Requirement], lock: Path, days: int) -> None:
    options = (*_OPTIONS, f"--exclude-newer=P{days}D", f"--output-file={lock}")
    subprocess.run(
        [_UV, "pip", "compile", "-", *options],
        input="\n".join(map(str, asked)),
        # Other authorities than the machine's own are believed unless it is told.
        env={**os.environ, "UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"},
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main())
