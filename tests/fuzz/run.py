"""`make fuzz`: every edge in turn, ten minutes in all, and a table of what came of it.

Fails when anything was found. A finding is a file: kept in tests/fuzz/findings/EDGE/ it is a test
from then on.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from tests.fuzz.edges import EDGES, Edge

HERE = Path(__file__).resolve().parent
FINDINGS = HERE / "findings"
CORPUS = HERE.parent.parent / ".fuzz"
"""What was found to lead anywhere, for the next time to begin with."""
LONGEST = 20_000
"""Bytes of an input."""
STUCK_SECONDS = 10
MEGABYTES = 2048


@dataclass(frozen=True)
class Outcome:
    """How it went at one edge."""

    edge: Edge
    runs: int
    covered: int
    """Branches taken, of those that were instrumented."""
    seconds: int
    found: tuple[Path, ...]
    said: str
    """The fuzzer's own words."""
    status: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("edges", nargs="*", metavar="EDGE", help=f"of {', '.join(EDGES)}")
    parser.add_argument("--seconds", type=int, default=600, help="for all of them together")
    options = parser.parse_args()
    if unknown := set(options.edges) - set(EDGES):
        parser.error(f"there is no edge {min(unknown)!r}: {', '.join(EDGES)}")
    edges = [EDGES[name] for name in options.edges or EDGES]
    each = max(1, options.seconds // len(edges))
    outcomes = [_fuzz(edge, each) for edge in edges]
    print("\n| what came in | inputs | a second | branches | findings |")
    print("| --- | --- | --- | --- | --- |")
    for outcome in outcomes:
        print(_row(outcome))
    return int(any(outcome.found or outcome.status for outcome in outcomes))


def _fuzz(edge: Edge, seconds: int) -> Outcome:
    print(f"{edge.name}: {edge.what}, {seconds} s", flush=True)
    corpus = CORPUS / edge.name
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="agentkeys-fuzz-") as folder:
        seeds, caught = Path(folder, "seeds"), Path(folder, "caught")
        seeds.mkdir()
        caught.mkdir()
        for number, seed in enumerate([*edge.seeds(), *_kept(edge)]):
            (seeds / str(number)).write_bytes(seed)
        argv = [sys.executable, "-I", str(HERE / "one.py"), edge.name, str(corpus), str(seeds)]
        options = {
            "max_total_time": seconds,
            "max_len": LONGEST,
            "timeout": STUCK_SECONDS,
            "rss_limit_mb": MEGABYTES,
            "artifact_prefix": f"{caught}/",
            "print_final_stats": 1,
        }
        argv += [f"-{name}={value}" for name, value in options.items()]
        done = subprocess.run(
            argv,
            # What an edge leaves on disk goes with the folder.
            env={**os.environ, "TMPDIR": folder},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        said = done.stdout + done.stderr
        found = tuple(_keep(edge, sorted(caught.iterdir())))
    if found or done.returncode:
        print(said[-4000:])
    return Outcome(
        edge=edge,
        runs=_number(r"stat::number_of_executed_units:\s*(\d+)", said),
        covered=_number(r".*cov: (\d+)", said),
        seconds=seconds,
        found=found,
        said=said,
        status=done.returncode,
    )


def _kept(edge: Edge) -> Iterable[bytes]:
    return (path.read_bytes() for path in sorted((FINDINGS / edge.name).glob("*")))


def _keep(edge: Edge, caught: Iterable[Path]) -> Iterable[Path]:
    for path in caught:
        kept = FINDINGS / edge.name / path.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(path.read_bytes())
        print(f"finding: {kept}", flush=True)
        yield kept


def _number(pattern: str, said: str) -> int:
    """The last one in what the fuzzer said, 0 where it said none."""
    found: list[str] = re.findall(pattern, said)
    return int(found[-1]) if found else 0


def _row(outcome: Outcome) -> str:
    pace = outcome.runs // outcome.seconds
    return (
        f"| {outcome.edge.what} | {outcome.runs:,} | {pace:,} | {outcome.covered:,} |"
        f" {len(outcome.found) or 'none'} |"
    )


if __name__ == "__main__":
    sys.exit(main())
