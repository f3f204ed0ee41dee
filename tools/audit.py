"""Asks for advisories against every package of every lock, with pip-audit.

Exit status: 0 there are none; 1 there are some, or the audit failed; 75 no advisories can be had
from here. Silence is believed only from a service that knows of an advisory that is ten years old:
many mirrors and proxies of PyPI answer, and have none.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

from tools.pins import Pin, load_pins

__all__ = ["UNREACHABLE", "Auditor", "audit"]

PROJECT = Path(__file__).resolve().parent.parent
UNREACHABLE = 75
"""EX_TEMPFAIL of sysexits.h: it may work elsewhere, or later."""
_SERVICES = ("pypi", "osv")
_KNOWN_BAD = "pyyaml==5.3 --hash=sha256:" + "0" * 64
_OPTIONS = ("--strict", "--disable-pip", "--require-hashes", "--progress-spinner=off", "-f", "json")


@dataclass(frozen=True)
class Auditor:
    """pip-audit, as it is called."""

    argv: Sequence[str | Path] = (sys.executable, "-Im", "pip_audit")

    def ask(self, service: str, lines: Iterable[str]) -> tuple[list[Any] | None, str]:
        """Each package with its advisories, None where there is no answer; and what else was said.

        Each name may be there once.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            argv = [*self.argv, *_OPTIONS, "-s", service, "-r", file.name]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        try:
            return json.loads(done.stdout)["dependencies"], done.stderr
        except (ValueError, KeyError):
            return None, done.stderr


def audit(auditor: Auditor, locks: Iterable[Path]) -> int:
    """Prints what was found; an exit status as above."""
    service = next((service for service in _SERVICES if _has_advisories(auditor, service)), None)
    if service is None:
        print("audit: not possible, no service of advisories can be reached from here")
        return UNREACHABLE
    status = 0
    pins = {(pin.name, pin.version): pin for lock in locks for pin in load_pins(lock)}
    for lines in _rounds(pins.values()):
        packages, said = auditor.ask(service, lines)
        if packages is None:
            print(f"audit: {service} did not answer for all of the lock\n{said}", file=sys.stderr)
            return 1
        for package in packages:
            for advisory in package["vulns"]:
                fixed = ", ".join(advisory["fix_versions"]) or "no version"
                where = f"{package['name']} {package['version']}"
                print(f"audit: {where}: {advisory['id']}, fixed in {fixed}", file=sys.stderr)
                status = 1
    if not status:
        print(f"audit: {service} knows of no advisory against {len(pins)} packages")
    return status


def _has_advisories(auditor: Auditor, service: str) -> bool:
    packages, _ = auditor.ask(service, [_KNOWN_BAD])
    return any(package.get("vulns") for package in packages or [])


def _rounds(pins: Iterable[Pin]) -> list[list[str]]:
    """All of them, for every system: without markers, and no name twice in a round."""
    rounds: list[dict[str, str]] = []
    for pin in pins:
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in pin.sha256)
        fitting = next((one for one in rounds if pin.name not in one), None)
        if fitting is None:
            rounds.append(fitting := {})
        fitting[pin.name] = f"{pin.name}=={pin.version} {hashes}"
    return [list(one.values()) for one in rounds]


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    return audit(Auditor(), sorted((PROJECT / "requirements").glob("*.txt")))


if __name__ == "__main__":
    sys.exit(main())
