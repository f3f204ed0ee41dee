"""pip-audit as far as `make audit` uses it, with a service of advisories of the test's own.

Knows the advisories of the file that FAKE_ADVISORIES names: JSON, by service and by name==version.
A service that is not in it cannot be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    for flag in ("--strict", "--disable-pip", "--require-hashes"):
        parser.add_argument(flag, action="store_true", required=True)
    parser.add_argument("--progress-spinner")
    parser.add_argument("-f")
    parser.add_argument("-s")
    parser.add_argument("-r", type=Path)
    options = parser.parse_args()
    services = json.loads(Path(os.environ["FAKE_ADVISORIES"]).read_text(encoding="utf-8"))
    if options.s not in services:
        print("ERROR:pip_audit._cli:Could not connect to the feed", file=sys.stderr)
        return 1
    packages = []
    for line in options.r.read_text(encoding="utf-8").splitlines():
        requirement, *hashes = line.split()
        assert hashes, line
        name, version = requirement.split("==")
        known = services[options.s].get(requirement, [])
        if known == "unknown package":
            print(f"ERROR:pip_audit._cli:{name}: Dependency not found", file=sys.stderr)
            return 1
        vulns = [{"id": one, "fix_versions": ["9.9"], "aliases": []} for one in known]
        packages.append({"name": name, "version": version, "vulns": vulns})
    assert len({package["name"] for package in packages}) == len(packages), "a name twice"
    print(json.dumps({"dependencies": packages, "fixes": []}))
    return int(any(package["vulns"] for package in packages))


if __name__ == "__main__":
    sys.exit(main())
