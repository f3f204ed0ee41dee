"""The sample bodies of the stores' STS, named `store.status.case.xml`."""

from __future__ import annotations

from pathlib import Path

STS_SAMPLES = Path(__file__).parent.parent / "contracts" / "samples" / "sts"


def sts_sample(name: str) -> bytes:
    """The body of the sample `name`, without its `.xml`."""
    return (STS_SAMPLES / f"{name}.xml").read_bytes()
