"""What is published, into dist/: wheel, sdist, bill of materials, and the sums of all three.

The same sources and the same lock make the same bytes, whoever builds them, where and when.
hatchling dates every file 2020-02-02 unless SOURCE_DATE_EPOCH says otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.utils import canonicalize_name

sys.path.append(str(Path(__file__).resolve().parent.parent))

from tools.asked import asked_for, project_version
from tools.pins import load_pins
from tools.sbom import bill_of_materials

SUMS = "SHA256SUMS"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--project", type=Path, default=here, help="whose sources to build")
    parser.add_argument("--into", type=Path, help="a folder that is made anew (PROJECT/dist)")
    options = parser.parse_args()
    project = options.project.resolve()
    make_dist(project, (options.into or project / "dist").resolve())
    return 0


def make_dist(project: Path, folder: Path) -> None:
    """Replaces `folder`. Raises CalledProcessError after the build's own words."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build = [sys.executable, "-Im", "hatchling", "build", "--directory", str(folder)]
    subprocess.run([*build, "--target", "wheel"], cwd=project, check=True)
    subprocess.run([*build, "--target", "sdist"], cwd=project, check=True)
    version = project_version(project)
    asked = {canonicalize_name(one.name) for one in asked_for(project)["runtime"]}
    pins = load_pins(project / "requirements" / "runtime.txt")
    bill = folder / f"agentkeys-{version}.cdx.json"
    bill.write_text(bill_of_materials(version, pins, asked), encoding="utf-8")
    (folder / SUMS).write_text(_sums(folder), encoding="utf-8")


def _sums(folder: Path) -> str:
    """As sha256sum prints and checks them."""
    files = sorted(folder.iterdir())
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files
    )


if __name__ == "__main__":
    sys.exit(main())
