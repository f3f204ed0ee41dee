"""docs/stores.md says what the descriptions of the stores say."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from agentkeys.config import parse_config
from agentkeys.stores import STORE_KINDS, StoreKind

PAGE = (Path(__file__).parent.parent.parent / "docs" / "stores.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells[1:]
    for line in PAGE.splitlines()
    if line.startswith("| ") and len(cells := [cell.strip() for cell in line.split("|")[1:-1]]) == 5
}


def cell(row: str, kind: StoreKind) -> str:
    return ROWS[row][[name.strip("`") for name in ROWS[""]].index(kind.name)]


@pytest.mark.parametrize("kind", STORE_KINDS.values(), ids=list(STORE_KINDS))
def test_its_table_is_right(kind: StoreKind) -> None:
    """Whoever changes one changes the other."""
    assert cell("its STS", kind) == ("`sts_endpoint`" if kind.needs_endpoint else "by region")
    assert cell("`role_arn`", kind).startswith("needed" if kind.needs_role_arn else "where")
    longest = "365 days" if kind.max_duration > timedelta(days=1) else "12 h"
    assert cell("sessions", kind) == f"15 min to {longest}"
    too_long = "shortened in silence" if kind.clamps_duration else "refused"
    assert cell("longer than the role allows", kind) == too_long
    assert cell("session policy", kind) == ("yes" if kind.takes_policy else "no")
    assert cell("`policy_arns`", kind) == ("yes" if kind.takes_policy_arns else "no")
    assert ("512" in cell("tokens signed with", kind)) == ("RS512" in kind.algorithms)
    assert cell("`kid` in the token", kind) == ("needed" if kind.needs_key_id else "–")
    assert cell("S3 says of a dead session", kind) == f"`{kind.dead_session}`"


def test_its_example_is_a_configuration() -> None:
    """With every key of a store in it."""
    [shown] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    config = parse_config(shown, file="docs/stores.md", origin="docs/stores.md", path=None)
    gov, lab = config.stores["gov"], config.stores["lab"]
    assert gov.sts_url(gov.region or "") == "https://sts-fips.us-gov-west-1.api.aws"
    assert lab.checksums == "when_required"
