"""What a process that holds secrets asks of its system: no core files, no debugger, no swap.

Imported by the daemon and by the keyring's helper, and never by a fast path: ctypes takes two
milliseconds.
"""

from agentkeys.hardening.measures import Hardening, Measures, harden

__all__ = ["Hardening", "Measures", "harden"]
