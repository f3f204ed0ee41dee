"""A user's place in a bucket: `bots/{wallet}/`, filled in from a token's claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.confinement import is_safe_value
from agentkeys.errors import ConfigError, TokenUnconfined

__all__ = ["check_prefix", "prefix_claims", "render_prefix", "spell_prefix"]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_CLAIMS = {"wallet": WALLET_CLAIM, "omni": OMNI_CLAIM, "sub": "sub"}


def check_prefix(template: str) -> None:
    """Raises ConfigError for a placeholder that does not exist, or a brace left over."""
    for name in _PLACEHOLDER.findall(template):
        _claim(name)
    if set(_PLACEHOLDER.sub("", template)) & set("{}*?"):
        raise ConfigError(f"{template!r} has a stray brace or a wildcard", hint=_HINT)


def render_prefix(template: str, claims: Mapping[str, str]) -> str:
    """The prefix of the user that `claims` name.

    Raises TokenUnconfined where a claim is missing or would reach outside of its place.
    """

    def fill(match: re.Match[str]) -> str:
        claim = _claim(match[1])
        value = claims.get(claim)
        if not is_safe_value(value):
            raise TokenUnconfined(
                f"the token's {claim} claim cannot stand in the prefix {template!r}",
                hint="use a placeholder that every token of this identity fills",
            )
        return str(value)

    return _PLACEHOLDER.sub(fill, template)


def spell_prefix(template: str, spell: Callable[[str], str]) -> str:
    """The prefix of everybody: each placeholder is what `spell` makes of its claim's name."""
    return _PLACEHOLDER.sub(lambda match: spell(_claim(match[1])), template)


def prefix_claims(template: str) -> tuple[str, ...]:
    """The claims that fill it, each once."""
    return tuple(dict.fromkeys(map(_claim, _PLACEHOLDER.findall(template))))


_HINT = "use {wallet}, {omni}, {sub} or {claim:NAME}"


def _claim(placeholder: str) -> str:
    claim = _CLAIMS.get(placeholder) or placeholder.removeprefix("claim:")
    if placeholder not in _CLAIMS and (claim == placeholder or not claim):
        raise ConfigError(f"{{{placeholder}}} is not a placeholder", hint=_HINT)
    return claim
