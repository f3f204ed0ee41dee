"""Ceph's RADOS Gateway, as measured with 16.2.15."""

from __future__ import annotations

from datetime import timedelta

from agentkeys.models import Confinement
from agentkeys.stores.cases import Case, Rule
from agentkeys.stores.kind import StoreKind

__all__ = ["CEPH"]

CEPH = StoreKind(
    name="ceph",
    title="Ceph",
    needs_role_arn=True,
    takes_policy=True,
    takes_policy_arns=False,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(hours=12),
    clamps_duration=False,
    algorithms=frozenset({"RS256", "ES256"}),
    needs_key_id=False,
    needs_certificates=True,
    reads_audiences="first",
    # It compares a session tag with a value, but has no variable for it in a resource: each user
    # has a statement of their own.
    default_confine=Confinement("tags"),
    # Nearly everything is AccessDenied without a word more.
    rules=(
        Rule(Case.UNSAID, "AccessDenied"),
        Rule(Case.DURATION, "InvalidArgument"),
    ),
    dead_session="AccessDenied",
)
