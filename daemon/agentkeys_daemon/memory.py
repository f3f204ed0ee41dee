"""Keeps the daemon's memory flat, and its garbage collections short."""

from __future__ import annotations

import gc

__all__ = ["keep_what_is_loaded"]


def keep_what_is_loaded() -> None:
    """Takes all that exists now out of garbage collections: modules that stay until the end.

    A full collection comes when a quarter more has piled up than was there before. With everything
    that httpx and uvicorn load to compare with, that would be megabytes of closed connections, and
    looking at all of it would hold up whoever asks for 20 ms.
    """
    gc.freeze()
