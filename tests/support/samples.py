"""The sample bodies of the broker's contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "contracts" / "samples" / "broker"


def broker_sample(name: str) -> Any:
    """The parsed sample `name`, without its `.json`."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
