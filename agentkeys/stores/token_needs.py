"""What the header of a web identity token must say, so that a store can look at the rest."""

from __future__ import annotations

from agentkeys.errors import TokenInvalid
from agentkeys.stores.kind import StoreKind

__all__ = ["check_token_form", "spell_algorithms"]


def check_token_form(store: StoreKind, *, algorithm: str, key_id: str | None) -> None:
    """Raises TokenInvalid, with the store's need in the hint, for what it would refuse anyway.

    Saying so before the call tells more than the store would: some give no reason at all.
    """
    if algorithm not in store.algorithms:
        raise TokenInvalid(
            f"the web identity token is signed with {algorithm}, which {store.title} does not take",
            hint=f"have the issuer sign with {spell_algorithms(store)}",
        )
    if store.needs_key_id and not key_id:
        raise TokenInvalid(
            f"the web identity token does not name its key, which {store.title} needs",
            hint="have the issuer put the key's kid into the token's header",
        )


def spell_algorithms(store: StoreKind) -> str:
    """For people, in the order of their names: `ES256 or RS256`."""
    *others, last = sorted(store.algorithms)
    return f"{', '.join(others)} or {last}" if others else last
