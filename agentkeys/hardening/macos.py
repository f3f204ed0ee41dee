"""macOS: ptrace(2) with PT_DENY_ATTACH, and setrlimit(2). Untested there.

There is nothing like no_new_privs, and mlockall(2) answers ENOSYS; swap is encrypted.
"""

from __future__ import annotations

import errno
import os
import resource

__all__ = ["MacMeasures"]

_PT_DENY_ATTACH = 31  # <sys/ptrace.h>


class MacMeasures:
    """Measures."""

    def turn_core_dumps_off(self) -> None:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        except ValueError as problem:  # what Python makes of EPERM and EINVAL
            raise OSError(errno.EPERM, str(problem)) from problem

    def turn_ptrace_off(self) -> None:
        import ctypes  # noqa: PLC0415 - a Python that was built without libffi lacks it

        # A debugger that is there already ends us with this: better than to go on under it.
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
        if libc.ptrace(_PT_DENY_ATTACH, 0, None, 0):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number).lower())

    def lock_memory(self) -> None:
        raise OSError(errno.ENOSYS, "macOS locks no whole process; its swap is encrypted")

    def forbid_new_privileges(self) -> None:
        raise OSError(errno.ENOSYS, "macOS has nothing like it")
