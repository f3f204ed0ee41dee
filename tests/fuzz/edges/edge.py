"""One way in from outside, and what has to hold whatever comes that way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Edge", "Finding", "hold"]


class Finding(AssertionError):
    """A promise that an input has broken."""


@dataclass(frozen=True)
class Edge:
    """`check` returns for every input; whatever it raises is a finding."""

    name: str
    what: str
    """What comes in there, for people."""
    seeds: Callable[[], Sequence[bytes]]
    """Inputs of which each gets somewhere: what a fuzzer begins with."""
    check: Callable[[bytes], None]


def hold(is_so: object, otherwise: str) -> None:
    """Raises Finding unless it is so; unlike `assert` under `-O` too."""
    if not is_so:
        raise Finding(otherwise)
