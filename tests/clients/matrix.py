"""The table of clients and doors, as the README shows it and as a run of the tests proves it.

`python tests/clients/matrix.py` writes it anew between its marks, in every document that has them.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if __name__ == "__main__":
    sys.path.append(str(ROOT))

# The checkout is on the path only now.
from tests.clients.clients import CLIENTS, DOORS, Answers, Client, Door  # noqa: E402

__all__ = ["DOCUMENT", "Case", "documents", "render", "shown_in"]

DOCUMENT = ROOT / "README.md"
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"
_HEADINGS = (
    "client",
    "version",
    "`exec`",
    "`credential_process`",
    "`exec --refresh`",
    "what it needs",
)

Case = tuple[str, Door]


def render(failed: Collection[Case] = (), missing: Collection[Case] = ()) -> str:
    """Markdown; a door at which a test has `failed`, or was not run, says so instead."""
    rows = [_HEADINGS, ("---",) * len(_HEADINGS)]
    for client in CLIENTS:
        cells = [_cell(client, door, failed, missing) for door in DOORS]
        rows.append((client.name, client.version, *cells, client.needs))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def documents() -> list[Path]:
    """Those that show the table: DOCUMENT, and others that have its marks."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path for path in every if BEGIN in path.read_text(encoding="utf-8")]


def shown_in(document: Path) -> str:
    """The table that stands in it."""
    return document.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def _cell(client: Client, door: Door, failed: Collection[Case], missing: Collection[Case]) -> str:
    if (client.name, door) in failed:
        return "**FAILED**"
    if (client.name, door) in missing:
        return "not run"
    expected = client.at(door)
    if not isinstance(expected, Answers):
        return f"no: {expected.reason}"
    if door == "environment":
        return "yes"
    return "yes, shows why not" if expected.tells else "yes, hides why not"


def _write(document: Path) -> None:
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}{render()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    for found in documents():
        _write(found)
