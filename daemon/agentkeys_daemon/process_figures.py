"""What this process takes of the machine; from outside it may not be allowed to be seen."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

__all__ = ["open_descriptors", "resident_bytes"]

_PAGE_BYTES = resource.getpagesize()
_DESCRIPTORS = ("/proc/self/fd", "/dev/fd")


def resident_bytes() -> int | None:
    """Memory held right now; on macOS, which tells no more, the most that was ever held."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * _PAGE_BYTES


def open_descriptors() -> int | None:
    """How many files, pipes and sockets are open."""
    for folder in _DESCRIPTORS:
        try:
            # One of them is the listing's own.
            return len(os.listdir(folder)) - 1  # noqa: PTH208 - Path.iterdir makes a Path of each
        except OSError:
            continue
    return None
