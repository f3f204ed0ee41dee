"""How fast a ledger is verified and read on one core, and in how much memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from tests.support.ledgers import write_ledger

__all__ = ["Verifying", "verify_many"]

RECORDS = 200_000
FEW = 1_000

_MEASURE = """
import json, sys, time
from pathlib import Path
from agentkeys.audit.lines import open_files
from agentkeys.audit.reading import Records
from agentkeys.audit.verifying import verify
paths = [Path(name) for name in sys.argv[1:]]
began = time.process_time()
found = verify(open_files(paths))
seconds = time.process_time() - began
assert found.is_sound, found.problems
status = Path("/proc/self/status").read_text().splitlines()
resident = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
began = time.process_time()
read = sum(1 for _ in Records(open_files(paths)))
reading = time.process_time() - began
print(json.dumps([found.records / seconds, read / reading, resident]))
"""


@dataclass(frozen=True)
class Verifying:
    """What a pass over many records takes."""

    per_second: float
    """Records that are verified in a second of processor time."""
    read_per_second: float
    growth: float
    """MiB that many of them take more than a few."""


def verify_many() -> Verifying:
    """Of records as large as real ones, in files as large as real ones."""
    with tempfile.TemporaryDirectory(prefix="agentkeys-bench-") as folder:
        _, _, few = _measured(Path(folder) / "few", files=1, records=FEW)
        per_second, reading, many = _measured(Path(folder) / "many", files=4, records=RECORDS // 4)
    return Verifying(per_second, reading, many - few)


def _measured(folder: Path, *, files: int, records: int) -> list[float]:
    """Records verified and read a second, and the most MiB held, in a process of its own."""
    folder.mkdir()
    written = write_ledger(folder, files=files, records=records)
    argv = [sys.executable, "-I", "-c", _MEASURE, *map(str, written.contents)]
    found: list[float] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return found


if __name__ == "__main__":
    print(verify_many())
