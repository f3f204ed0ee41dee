"""`make dist`: the same bytes wherever and whenever, and a bill of materials that is complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from agentkeys import __version__
from tools.asked import asked_for
from tools.pins import load_pins

ROOT = Path(__file__).parents[2]
WHEEL = f"agentkeys-{__version__}-py3-none-any.whl"
SDIST = f"agentkeys-{__version__}.tar.gz"
BILL = f"agentkeys-{__version__}.cdx.json"
_LITTER = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules")
_ZIP_TICK = 2.0
"""Seconds, the finest that a wheel tells of a time."""


@dataclass(frozen=True)
class Circumstances:
    """In which somebody builds."""

    umask: int
    locale: str
    zone: str
    changed: float
    """When all of the files were last touched."""


PLAIN = Circumstances(umask=0o022, locale="C.UTF-8", zone="UTC", changed=1_700_000_000)
ODD = Circumstances(umask=0o077, locale="C", zone="Pacific/Chatham", changed=1_234_567_891)


def copy_sources(folder: Path, circumstances: Circumstances) -> Path:
    """What a clone has, as far as releases are made from it."""
    folder.mkdir(parents=True)
    names = [".gitignore", "pyproject.toml", *_published()]
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=_LITTER)
        else:
            shutil.copy2(ROOT / name, folder / name)
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o777 if path.is_dir() else path.stat().st_mode | 0o066) & ~circumstances.umask)
        os.utime(path, (circumstances.changed, circumstances.changed))
    return folder


def _published() -> list[str]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included: list[str] = document["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    return included


def run(*argv: str | Path, cwd: Path, circumstances: Circumstances = PLAIN) -> None:
    """One step; hash seeds differ anyway, since isolated interpreters choose their own."""
    if find_spec("hatchling") is None:
        pytest.fail("hatchling is missing: make .venv/installed, and use the Python of .venv")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "LC_ALL": circumstances.locale,
        "TZ": circumstances.zone,
        "PIP_NO_INDEX": "1",
    }
    done = subprocess.run(
        [sys.executable, "-I", *argv],
        cwd=cwd,
        env=environment,
        umask=circumstances.umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def make_dist(project: Path, circumstances: Circumstances) -> Path:
    """As `make dist` does; the folder with what it made."""
    run(project / "tools" / "dist.py", cwd=project, circumstances=circumstances)
    return project / "dist"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that was made in plain circumstances."""
    return make_dist(copy_sources(tmp_path_factory.mktemp("plain") / "sources", PLAIN), PLAIN)


def test_the_same_sources_make_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    """In another folder, at another time, with other modes, locale, time zone and hash seeds."""
    made_at = (dist / WHEEL).stat().st_mtime
    while time.time() < made_at + _ZIP_TICK:
        time.sleep(0.1)
    again = make_dist(copy_sources(tmp_path / "some where else" / "sources", ODD), ODD)
    assert sorted(path.name for path in again.iterdir()) == sorted(
        [WHEEL, SDIST, BILL, "SHA256SUMS"]
    )
    for path in sorted(again.iterdir()):
        assert path.read_bytes() == (dist / path.name).read_bytes(), path.name


def test_the_sdist_makes_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    """Whoever builds from a release needs no checkout and no git."""
    with tarfile.open(dist / SDIST) as archive:
        archive.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()
    assert (make_dist(sources, ODD) / WHEEL).read_bytes() == (dist / WHEEL).read_bytes()


def test_pip_makes_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    """It is pip's that these tests run with."""
    sources = copy_sources(tmp_path / "sources", PLAIN)
    wheel = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path / "made")
    run("-m", "pip", *wheel, sources, cwd=sources)
    assert (tmp_path / "made" / WHEEL).read_bytes() == (dist / WHEEL).read_bytes()


def test_nothing_of_the_builder_is_in_it(dist: Path) -> None:
    """No user, no folder, no time of theirs, and no file that others may write."""
    with tarfile.open(dist / SDIST) as archive:
        members = archive.getmembers()
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "", "")}
    assert len({one.mtime for one in members}) == 1
    assert {one.mode for one in members} <= {0o644, 0o755}
    with zipfile.ZipFile(dist / WHEEL) as wheel:
        entries = wheel.infolist()
    assert len({one.date_time for one in entries}) == 1
    assert {one.external_attr >> 16 & 0o777 for one in entries} <= {0o644, 0o755}
    for path in (dist / BILL, dist / "SHA256SUMS"):
        assert str(dist.parent) not in path.read_text(encoding="utf-8")


def test_the_sums_are_those_of_the_files(dist: Path) -> None:
    """In the form that sha256sum checks."""
    lines = (dist / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {line.partition("  ")[2]: line.partition("  ")[0] for line in lines}
    assert sums == {
        name: hashlib.sha256((dist / name).read_bytes()).hexdigest()
        for name in (WHEEL, SDIST, BILL)
    }


@pytest.fixture(scope="module")
def bill(dist: Path) -> dict[str, Any]:
    """The bill of materials of that release."""
    document: dict[str, Any] = json.loads((dist / BILL).read_text(encoding="utf-8"))
    return document


def test_the_bill_is_about_this_version(bill: dict[str, Any]) -> None:
    """agentkeys itself is the component whose parts the others are."""
    main = bill["metadata"]["component"]
    assert (main["name"], main["version"]) == ("agentkeys", __version__)
    assert main["purl"] == f"pkg:pypi/agentkeys@{__version__}"


def test_the_bill_names_everything_that_is_installed(bill: dict[str, Any]) -> None:
    """Each package of the runtime's lock, in its version and with the hashes of its files."""
    listed = {
        (one["name"], one["version"]): {
            digest["content"] for digest in one["externalReferences"][0]["hashes"]
        }
        for one in bill["components"]
    }
    pins = load_pins(ROOT / "requirements" / "runtime.txt")
    assert listed == {(pin.name, pin.version): set(pin.sha256) for pin in pins}


def test_the_bill_tells_licences_where_packages_are_installed(bill: dict[str, Any]) -> None:
    """What runs here has one in every case."""
    lacking = {one["name"] for one in bill["components"] if not one.get("licenses")}
    markers = {
        pin.name
        for pin in load_pins(ROOT / "requirements" / "runtime.txt")
        if pin.requirement.marker and not pin.requirement.marker.evaluate()
    }
    assert lacking <= markers


def test_the_bill_tells_who_needs_whom(bill: dict[str, Any]) -> None:
    """From agentkeys, which needs what pyproject.toml says, everything can be reached."""
    edges = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    own = edges[bill["metadata"]["component"]["bom-ref"]]
    asked = asked_for(ROOT)["runtime"]
    names = {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in own}
    assert names == {canonicalize_name(requirement.name) for requirement in asked}
    reached, waiting = set(own), list(own)
    while waiting:
        found = set(edges[waiting.pop()]) - reached
        reached |= found
        waiting += found
    assert reached == {component["bom-ref"] for component in bill["components"]}
