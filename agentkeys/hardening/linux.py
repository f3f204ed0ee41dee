"""Linux: prctl(2), setrlimit(2) and mlockall(2)."""

from __future__ import annotations

import errno
import os
import resource
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

__all__ = ["LinuxMeasures"]

# <linux/prctl.h>
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
# <linux/mman.h>
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
# <linux/capability.h>
_CAP_IPC_LOCK = 14

_STATUS = Path("/proc/self/status")


class LinuxMeasures:
    """Measures. A process that cannot be dumped belongs to root in /proc, for its own user too."""

    def __init__(self, *, status: Path = _STATUS) -> None:
        self._status = status

    def turn_core_dumps_off(self) -> None:
        _forbid_core_files()
        # Where core files go to a program, the kernel minds this alone and not the limit.
        _prctl(_PR_SET_DUMPABLE, 0)

    def turn_ptrace_off(self) -> None:
        _prctl(_PR_SET_DUMPABLE, 0)
        if _prctl(_PR_GET_DUMPABLE):
            raise OSError(errno.ENOSYS, "the kernel says that it can still be traced")

    def lock_memory(self) -> None:
        if not self._may_lock():
            raise OSError(
                errno.EPERM, "it needs an unlimited RLIMIT_MEMLOCK or the capability CAP_IPC_LOCK"
            )
        # Without ONFAULT every page that is merely reserved would be had: hundreds of megabytes.
        if _libc().mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
            raise _last_error()

    def forbid_new_privileges(self) -> None:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)

    def _may_lock(self) -> bool:
        # With any other limit, memory that is asked for later would be refused one day.
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        return soft == resource.RLIM_INFINITY or self._has_capability(_CAP_IPC_LOCK)

    def _has_capability(self, number: int) -> bool:
        for line in self._status.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name == "CapEff":
                return bool(int(value, 16) >> number & 1)
        return False


def _prctl(what: int, value: int = 0) -> int:
    answer: int = _libc().prctl(what, value, 0, 0, 0)
    if answer < 0:
        raise _last_error()
    return answer


def _forbid_core_files() -> None:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except ValueError as problem:  # what Python makes of EPERM and EINVAL
        raise OSError(errno.EPERM, str(problem)) from problem


@cache
def _libc() -> ctypes.CDLL:
    """Raises ImportError: a Python that was built without libffi lacks ctypes."""
    import ctypes  # noqa: PLC0415

    libc = ctypes.CDLL(None, use_errno=True)
    # It takes as many arguments as it is given; the kernel looks at all five.
    libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    return libc


def _last_error() -> OSError:
    import ctypes  # noqa: PLC0415

    number = ctypes.get_errno()
    return OSError(number, os.strerror(number).lower())
