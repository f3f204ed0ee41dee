"""Watches processes on Linux, where a descriptor of one becomes readable when it has ended."""

from __future__ import annotations

import os

from agentkeys_daemon.watches.descriptors import Descriptor, DescriptorWatch

__all__ = ["PidfdWatch"]


class PidfdWatch(DescriptorWatch):
    """A ProcessWatch; kernels before 5.3 have no such descriptors."""

    def _open(self, pid: int) -> Descriptor:
        return os.fdopen(os.pidfd_open(pid), "rb", buffering=0)
