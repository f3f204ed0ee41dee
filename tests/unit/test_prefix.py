"""A user's place in a bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import ConfigError, TokenUnconfined
from agentkeys.prefix import check_prefix, prefix_claims, render_prefix, spell_prefix
from tests.support.tokens import ALICE, web_identity_claims

CLAIMS = {name: value for name, value in web_identity_claims().items() if isinstance(value, str)}


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        pytest.param("bots/{wallet}/", f"bots/{ALICE.wallet}/", id="wallet"),
        pytest.param("{omni}/", f"{ALICE.omni}/", id="omni"),
        pytest.param("a/{sub}/b", f"a/agentkeys:agent:{ALICE.wallet}/b", id="subject"),
        pytest.param("{claim:team}/{wallet}/", f"blue/{ALICE.wallet}/", id="two"),
        pytest.param("shared/", "shared/", id="none"),
    ],
)
def test_placeholders_are_filled_from_the_token(template: str, prefix: str) -> None:
    """From its claims, never from what was stored at login."""
    check_prefix(template)
    assert render_prefix(template, CLAIMS | {"team": "blue"}) == prefix


def test_a_prefix_can_be_spelt_for_everybody() -> None:
    """With whatever stands for a claim where it is written down, each claim named once."""
    template = "{claim:team}/{wallet}/{wallet}/"
    assert spell_prefix(template, lambda claim: f"<{claim}>") == (
        "<team>/<agentkeys_user_wallet>/<agentkeys_user_wallet>/"
    )
    assert prefix_claims(template) == ("team", "agentkeys_user_wallet")


@pytest.mark.parametrize(
    "template", ["{}", "{name}", "{claim:}", "{claim}", "{{wallet}}", "{wallet", "a}", "*", "a?b"]
)
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    """When the configuration is read, with what there is in the hint."""
    with pytest.raises(ConfigError) as refusal:
        check_prefix(template)
    assert "{claim:NAME}" in refusal.value.hint


@pytest.mark.parametrize("value", [None, "", "*", "..", "a/../b", "${aws:userid}"])
def test_a_claim_that_reaches_further_is_refused(value: str | None) -> None:
    """As is one that is not there."""
    claims = {} if value is None else {"team": value}
    with pytest.raises(TokenUnconfined, match="team claim cannot stand in the prefix"):
        render_prefix("{claim:team}/", claims)


@given(st.text(max_size=20))
def test_a_filled_prefix_stays_where_the_template_puts_it(value: str) -> None:
    """Whatever a claim says."""
    try:
        prefix = render_prefix("bots/{claim:user}/", {"user": value})
    except TokenUnconfined:
        return
    assert prefix == f"bots/{value}/"
    assert not {"", ".", ".."} & set(prefix.split("/")[:-1])


@given(st.text("{}*wallet:claim/", max_size=20))
def test_what_check_accepts_render_can_fill(template: str) -> None:
    """No brace or wildcard is left over."""
    try:
        check_prefix(template)
    except ConfigError:
        return
    names = {"agentkeys_user_wallet", "agentkeys_actor_omni", "sub"}
    names |= {f"{part}" for part in template.replace("}", "{claim:").split("{claim:")}
    assert not set(render_prefix(template, dict.fromkeys(names, "x"))) & set("{}*?")
