"""`make bench`: how fast it is, as ratios against a bare interpreter measured in the same run.

Runs the installed programs against a sandbox of its own, in a folder of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from tests.bench.crowding import resident_after_hours, warm_while_waiting
from tests.bench.endpoint_load import endpoint_under_load
from tests.bench.keeping import cold_start_ratio, missing_packages
from tests.bench.ledger_cost import ledger_cost
from tests.bench.load import one_by_one, under_load
from tests.bench.processes import median_seconds
from tests.bench.providing import SUBJECTS, provide_for_many
from tests.bench.verifying import RECORDS, verify_many

BIN = Path(sys.executable).parent
PYTHON, AGENTKEYS = str(BIN / "python3"), str(BIN / "agentkeys")
SHIM = f"{AGENTKEYS}-credential-process"
BARE = "a bare interpreter (python -I -S -c pass)"
CROWD = 500
ROUNDS = 7
MEBIBYTE = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="of each program")
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="agentkeys-bench-") as folder:
        environment = _environment(Path(folder))
        try:
            _call(environment, "sandbox", "start", "--users", "2")
            _measure(environment, Path(folder), runs)
        finally:
            _call(environment, "daemon", "stop")
            _call(environment, "sandbox", "stop")
    _print_places()
    _print_providing()
    _print_verifying()


def _measure(environment: dict[str, str], folder: Path, runs: int) -> None:
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}, {runs} runs of each program\n")
    _print_crowd(environment, folder)
    _print_programs(environment, runs)
    _print_doctor(environment)
    _print_requests(environment)
    _print_ledger(folder)
    print(f"| daemon, resident after all of this | {_resident(environment):.0f} MiB | 60 MiB |")


def _print_places() -> None:
    """What needs a broker and a store of its own, or a keyring."""
    slowest = warm_while_waiting(CROWD)
    print(
        f"| a warm answer while {CROWD} wait for a stuck mint, slowest of 100"
        f" | {slowest * 1000:.1f} ms | 50 ms |"
    )
    hours = resident_after_hours(3)
    shown = ", ".join(f"{figure:.1f}" for figure in hours)
    print(f"| daemon, resident after 1, 2, 3 hours' use of 50 profiles | {shown} MiB | 60 MiB |")
    if packages := missing_packages():
        print(f"(a kept lease needs a keyring: apt-get install {' '.join(packages)})")
    else:
        ratio = cold_start_ratio(ROUNDS)
        print(f"| from no daemon to a lease kept in the keyring | {ratio:.1f} × | 50 × |")


def _print_providing() -> None:
    """A service that acts for many users, without the daemon."""
    many = provide_for_many()
    print(
        f"| a provider that holds {SUBJECTS} users' credentials, resident"
        f" | {many.resident:.0f} MiB | 200 MiB |"
    )
    print(f"| a warm call of it, in a thread | {many.blocking * 1e6:.1f} µs | 20 µs |")
    print(f"| a warm call of it, in a task | {many.asynchronous * 1e6:.1f} µs | 20 µs |")


def _print_verifying() -> None:
    """The ledger, on one core."""
    found = verify_many()
    print(
        f"| `audit verify`, records a second, of {RECORDS}"
        f" | {found.per_second:,.0f} | at least 100,000 |"
    )
    print(f"| its memory beyond that for a thousand of them | {found.growth:.1f} MiB | 4 MiB |")


def _print_crowd(environment: dict[str, str], folder: Path) -> None:
    """Everybody at once on a profile that nobody has used yet."""
    argv = [SHIM, "--profile", "sandbox-bob"]
    crowd = [subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE) for _ in range(CROWD)]
    answers = Counter(process.communicate()[0] for process in crowd)
    failed = sum(process.returncode != 0 for process in crowd)
    ledger = (folder / "state" / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in ledger.splitlines()]
    mints = sum(row["event"] == "mint" and row["profile"] == "sandbox-bob" for row in rows)
    print("| figure | measured | at most |\n| --- | --- | --- |")
    print(
        f"| {CROWD} shims at once on a cold profile | {mints} mint, {CROWD - failed} answered,"
        f" {len(answers)} different | 1 mint, all answered |"
    )


def _print_programs(environment: dict[str, str], runs: int) -> None:
    limits = {
        "the shim": ([SHIM], 1.5),
        "`agentkeys exec -- true`": ([AGENTKEYS, "exec", "--", "true"], 3),
        "`agentkeys status --json`": ([AGENTKEYS, "status", "--json"], 6),
        "`agentkeys prompt`": ([AGENTKEYS, "prompt"], 2),
        "`agentkeys --help`": ([AGENTKEYS, "--help"], 12),
    }
    commands = {BARE: [PYTHON, "-I", "-S", "-c", "pass"]}
    commands |= {name: argv for name, (argv, _) in limits.items()}
    medians = median_seconds(commands, environment=environment, runs=runs)
    print(f"| {BARE} | {medians[BARE] * 1000:.1f} ms | |")
    for name, (_, limit) in limits.items():
        print(f"| {name} | {medians[name] / medians[BARE]:.2f} × | {limit} × |")


def _print_doctor(environment: dict[str, str]) -> None:
    """The whole walk, from the configuration to the proof, with a token and sessions of its own."""
    doctor = {"the doctor": [AGENTKEYS, "doctor"]}
    medians = median_seconds(doctor, environment=environment, runs=ROUNDS)
    print(f"| `agentkeys doctor` in the sandbox | {medians['the doctor']:.2f} s | 3 s |")


def _print_requests(environment: dict[str, str]) -> None:
    alone = one_by_one(environment, count=2000)
    crowd = statistics.median(
        under_load(environment, callers=32, per_second=500, seconds=3).p99 for _ in range(ROUNDS)
    )
    print(f"| one warm request, fresh connection, median | {alone.median * 1000:.2f} ms | 1 ms |")
    print(f"| 500 of them a second from 32 callers, p99 | {crowd * 1000:.2f} ms | 5 ms |")
    endpoint = statistics.median(
        endpoint_under_load(AGENTKEYS, environment).p99 for _ in range(ROUNDS)
    )
    print(
        "| the endpoint of `exec --refresh`, 500 a second while leases are minted, p99"
        f" | {endpoint * 1000:.2f} ms | 50 ms |"
    )


def _print_ledger(folder: Path) -> None:
    cost = ledger_cost(folder)
    shown, busy = cost.median * 1e6, cost.syncing * 1e6
    print(f"| what its record in the ledger adds to it, median | {shown:.0f} µs | 200 µs |")
    print(f"| the same while the disk takes mints' records | {busy:.0f} µs | 200 µs |")


def _resident(environment: dict[str, str]) -> float:
    """The daemon's resident memory in MiB."""
    health = json.loads(_call(environment, "daemon", "status", "--json"))
    status = Path(f"/proc/{health['daemon']['pid']}/status").read_text(encoding="utf-8")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / MEBIBYTE


def _call(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [AGENTKEYS, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    state = folder / "state"
    return {
        "PATH": f"{BIN}:{os.defpath}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "AGENTKEYS_STATE_DIR": str(state),
        "AGENTKEYS_SOCKET": str(folder / "run" / "daemon.sock"),
        "AGENTKEYS_VAULT": "memory",
    }


if __name__ == "__main__":
    main()
