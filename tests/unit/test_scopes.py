"""How a run is narrowed: never beyond what its profile allows, and never by a guess."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.access_rules import AccessRule, parse_access_rule
from agentkeys.config import Profile
from agentkeys.errors import ScopeRefused, TokenUnconfined
from agentkeys.scopes import WHOLE, Scope, narrow, policy_hash, profile_scope, tighten
from tests.support.policy_evaluator import Request, is_allowed
from tests.support.profiles import a_profile
from tests.support.rule_strategies import READING, WRITING, access_rules, requests
from tests.support.tokens import ALICE

CLAIMS = {"agentkeys_user_wallet": ALICE.wallet}
BARE = a_profile(bucket=None, prefix=None)
FIND = "s3:GetBucketLocation"
LIST = "s3:ListBucket"
OF_OBJECTS = (*READING, *WRITING)


def rules(*texts: str) -> tuple[AccessRule, ...]:
    return tuple(map(parse_access_rule, texts))


def allows(scope: Scope, request: Request) -> bool:
    policy = scope.session_policy(CLAIMS, None)
    return policy is None or is_allowed(policy, request)


def narrowed(
    profile: Profile, allow: Sequence[AccessRule] = (), *, reads_only: bool = False
) -> Scope:
    return narrow(profile_scope(profile), profile, allow=allow, reads_only=reads_only)


SOME = st.lists(access_rules(), max_size=4).map(tuple)


@given(SOME, SOME, st.booleans(), requests())
def test_narrowing_never_widens(
    allowed: tuple[AccessRule, ...],
    asked: tuple[AccessRule, ...],
    reads_only: bool,
    request: Request,
) -> None:
    """Whatever is allowed afterwards was so before; or the run is refused."""
    profile = a_profile(allow=allowed)
    try:
        scope = narrowed(profile, asked, reads_only=reads_only)
    except ScopeRefused:
        return
    if allows(scope, request):
        assert allows(profile_scope(profile), request)
        assert not reads_only or request.action in (*READING, FIND, LIST)
        if asked:
            assert allows(Scope(rules=asked), request)


@given(SOME, SOME, SOME, st.booleans(), st.booleans(), requests())
def test_a_run_in_a_run_has_no_more_than_that(
    allowed: tuple[AccessRule, ...],
    outer_rules: tuple[AccessRule, ...],
    inner_rules: tuple[AccessRule, ...],
    outer_reads: bool,
    inner_reads: bool,
    request: Request,
) -> None:
    """Nor one in that."""
    profile = a_profile(allow=allowed)
    try:
        outer = narrowed(profile, outer_rules, reads_only=outer_reads)
        inner = narrow(outer, profile, allow=inner_rules, reads_only=inner_reads)
    except ScopeRefused:
        return
    if allows(inner, request):
        assert allows(outer, request)


@given(SOME.filter(bool), st.booleans(), requests())
def test_what_is_asked_and_allowed_is_given(
    asked: tuple[AccessRule, ...], reads_only: bool, request: Request
) -> None:
    """Under a profile that allows all, the rules alone say what a run may."""
    scope = narrowed(a_profile(), asked, reads_only=reads_only)
    if allows(Scope(rules=asked), request) and request.action in (*READING, LIST):
        assert allows(scope, request)


def test_without_a_wish_nothing_changes() -> None:
    """It is the profile's own scope, whatever that is."""
    for profile in (
        a_profile(),
        a_profile(allow=rules("s3://lab/:ro")),
        a_profile(policy='{"Statement":[]}'),
        a_profile(policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",)),
    ):
        assert narrowed(profile) == profile_scope(profile)
    assert profile_scope(a_profile()) == WHOLE


@pytest.mark.parametrize(
    "profile",
    [a_profile(policy='{"Statement":[]}'), a_profile(policy_arns=("arn:aws:iam::aws:policy/X",))],
)
def test_a_policy_of_somebody_s_own_cannot_be_narrowed(profile: Profile) -> None:
    """Nobody can tell what lies in it."""
    for allow, reads_only in ((rules("s3://lab/:ro"), False), ((), True)):
        with pytest.raises(ScopeRefused, match="has a policy of its own"):
            narrowed(profile, allow, reads_only=reads_only)


def test_a_rule_outside_is_named_with_what_is_inside() -> None:
    """The first of several."""
    profile = a_profile(allow=rules("s3://lab/a/:rw", "s3://lab/b/:ro"))
    with pytest.raises(ScopeRefused, match="s3://lab/b/:rw lies outside") as found:
        narrowed(profile, rules("s3://lab/a/x:ro", "s3://lab/b/:rw"))
    assert found.value.hint == "stay within s3://lab/a/:rw, s3://lab/b/:ro"


# reading alone


def test_to_read_alone_means_the_profile_s_place() -> None:
    """Where it has no rules of its own: its bucket and its user's prefix."""
    scope = narrowed(a_profile(), reads_only=True)
    assert scope.resolve(CLAIMS).rules == rules(f"s3://agentkeys/bots/{ALICE.wallet}/:ro")
    assert allows(scope, Request("s3:GetObject", "agentkeys", f"bots/{ALICE.wallet}/x"))
    assert not allows(scope, Request("s3:GetObject", "agentkeys", "bots/0xother/x"))
    assert not allows(scope, Request("s3:PutObject", "agentkeys", f"bots/{ALICE.wallet}/x"))


def test_a_prefix_without_a_slash_gets_one() -> None:
    """`bots/0xab` must not reach the neighbour `bots/0xabc`."""
    scope = narrowed(a_profile(prefix="bots/{wallet}"), reads_only=True)
    assert scope.resolve(CLAIMS).rules == rules(f"s3://agentkeys/bots/{ALICE.wallet}/:ro")


def test_with_rules_it_means_those() -> None:
    """The profile's own, or those that were asked for."""
    profile = a_profile(allow=rules("s3://lab/a/:rw"))
    assert narrowed(profile, reads_only=True).rules == rules("s3://lab/a/:ro")
    assert narrowed(profile, rules("s3://lab/a/b:rw"), reads_only=True).rules == rules(
        "s3://lab/a/b:ro"
    )


@pytest.mark.parametrize("profile", [BARE, a_profile(bucket=None), a_profile(prefix=None)])
def test_without_a_place_there_is_nothing_to_read_from(profile: Profile) -> None:
    """Rather than everything."""
    with pytest.raises(ScopeRefused, match="names no bucket to read from"):
        narrowed(profile, reads_only=True)


def test_a_place_that_is_not_known_yet_takes_no_rules() -> None:
    """Its prefix is known with the token alone."""
    outer = narrowed(a_profile(), reads_only=True)
    with pytest.raises(ScopeRefused, match="it is not known whether"):
        narrow(outer, a_profile(), allow=rules("s3://agentkeys/bots/x/:ro"), reads_only=False)
    assert narrow(outer, a_profile(), allow=(), reads_only=True) == outer


@pytest.mark.parametrize("claims", [{}, {"agentkeys_user_wallet": ""}])
def test_a_place_that_the_token_does_not_tell_gives_no_policy(claims: dict[str, str]) -> None:
    """An empty part would be everybody's prefix."""
    with pytest.raises(TokenUnconfined):
        narrowed(a_profile(), reads_only=True).session_policy(claims, None)


# a profile that changes


SCOPES = st.one_of(
    SOME.map(lambda found: Scope(rules=found)),
    st.sampled_from(
        [
            WHOLE,
            Scope(reading=("bucket", "data/")),
            Scope(reading=("bucket", "")),
            Scope(rules=rules("s3://bucket/data/:rw")),
        ]
    ),
)


@given(SCOPES, SCOPES, requests())
def test_a_scope_is_tightened_and_never_widened(
    started: Scope, now: Scope, request: Request
) -> None:
    """What is left allows nothing that was not allowed at first, or is not allowed now."""
    try:
        left = tighten(started, now)
    except ScopeRefused:
        return
    if allows(left, request):
        assert allows(started, request)
        assert allows(now, request)


@given(SOME, SOME, requests())
def test_what_was_allowed_and_still_is_is_left(
    started: tuple[AccessRule, ...], now: tuple[AccessRule, ...], request: Request
) -> None:
    """Of objects, all of it; and nothing is refused of which anything is left."""
    before, after = Scope(rules=started), Scope(rules=now)
    if request.action not in OF_OBJECTS or request.key is None:
        return
    if allows(before, request) and allows(after, request):
        assert allows(tighten(before, after), request)


@given(SCOPES)
def test_what_stays_the_same_stays_the_same(scope: Scope) -> None:
    """To the letter: the lease that is held is still the right one."""
    assert tighten(scope, scope) == scope
    assert tighten(scope, WHOLE) == scope
    assert tighten(WHOLE, scope) == scope


@pytest.mark.parametrize(
    ("started", "now"),
    [
        (Scope(rules=rules("s3://lab/a/:rw")), Scope(rules=rules("s3://lab/b/:rw"))),
        (Scope(rules=rules("s3://lab/a/:rw")), Scope(policy='{"Statement":[]}')),
        (Scope(policy='{"Statement":[]}'), Scope(policy='{"Statement":[{}]}')),
        (Scope(policy='{"Statement":[]}'), Scope(policy_arns=("arn:aws:iam::aws:policy/X",))),
        (Scope(reading=("lab", "a/")), Scope(reading=("lab", "b/"))),
        (Scope(reading=("lab", "a/")), Scope(rules=rules("s3://lab/a/:rw"))),
    ],
)
def test_where_nothing_is_left_or_nobody_can_tell_it_is_refused(started: Scope, now: Scope) -> None:
    """An empty list of rules would be no limit at all."""
    for one, other in ((started, now), (now, started)):
        with pytest.raises(ScopeRefused, match="allows something else") as found:
            tighten(one, other)
        assert found.value.hint == "start the program again"


# what goes into keys and the ledger


def test_equal_scopes_are_spelled_alike_and_others_are_not() -> None:
    """Leases with another scope are other leases."""
    one, other = rules("s3://lab/a/:ro", "s3://lab/b:rw")
    assert Scope(rules=(one, other)).spell() == Scope(rules=(other, one)).spell()
    spelled = [
        scope.spell()
        for scope in (
            WHOLE,
            Scope(rules=(one,)),
            Scope(rules=(other,)),
            Scope(reading=("lab", "a/")),
            Scope(reading=("lab", "b/")),
            Scope(policy="{}"),
            Scope(policy_arns=("arn",)),
        )
    ]
    assert spelled[0] is None
    assert len({*spelled}) == len(spelled)


def test_what_was_written_by_hand_is_sent_as_it_is() -> None:
    """And has a hash in the ledger."""
    assert Scope(policy='{"a":1}').session_policy({}, None) == '{"a":1}'
    assert WHOLE.session_policy({}, None) is None
    assert policy_hash(None) is None
    assert policy_hash("{}") == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_the_role_s_partition_is_that_of_the_policy() -> None:
    """China and the government's regions have ARNs of their own."""
    role = a_profile().role_arn
    assert role
    policy = Scope(rules=rules("s3://lab/a:ro")).session_policy({}, type(role)(
        "arn:aws-cn:iam::111122223333:role/data"
    ))  # fmt: skip
    assert policy
    assert '"arn:aws-cn:s3:::lab/a"' in policy
    json.loads(policy)
