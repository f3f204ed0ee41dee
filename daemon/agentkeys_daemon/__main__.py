"""`python -m agentkeys_daemon [--detach]`: the daemon, in the foreground or on its own.

systemd runs it in the foreground, with the socket that it listens on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from agentkeys.errors import AgentkeysError
from agentkeys.hardening import harden
from agentkeys_daemon.activation import clean_environment, take_handed_socket
from agentkeys_daemon.handover import FLAG, take_over
from agentkeys_daemon.lifecycle import log_failure, run_daemon
from agentkeys_daemon.listening import AlreadyRunning


def main() -> int:
    if "--detach" in sys.argv[1:]:
        return _detached()
    return _run(lambda: print("agentkeys: ready", file=sys.stderr, flush=True))


def _detached() -> int:
    """Returns in the launcher once the daemon listens, or with the reason why it does not.

    The daemon is nobody's child: a program that waits for all of its children would wait for it.
    """
    readable, writable = os.pipe()
    if os.fork():
        os.close(writable)
        with os.fdopen(readable, "rb") as pipe:
            said = pipe.read()
        if said == b"ready":
            return 0
        sys.stderr.buffer.write(said)
        return 1
    os.close(readable)
    os.setsid()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return _run(lambda: _tell(writable, b"ready"), lambda words: _tell(writable, words))


def _tell(descriptor: int, words: bytes) -> None:
    os.write(descriptor, words)
    os.close(descriptor)


def _run(ready: Callable[[], None], failed: Callable[[bytes], None] | None = None) -> int:
    # Before anything secret is read, and no sooner: a fork does not inherit locked memory.
    hardening = harden()
    taken = None
    try:
        handed = take_handed_socket(os.environ)
        taken = take_over(sys.argv[-1]) if FLAG in sys.argv[1:-1] else None
        clean_environment(os.environ)
        if handover := run_daemon(
            os.environ, ready=ready, hardening=hardening, handed=handed, taken=taken
        ):
            handover.become_next()
    except AlreadyRunning as problem:
        # Somebody was faster, which is what the launcher wanted.
        if failed:
            ready()
            return 0
        return _fail(problem, None)
    except AgentkeysError as problem:
        if taken:
            # Nobody waits for what we could say: whoever asked for the restart reads the log.
            log_failure(os.environ, problem)
        return _fail(problem, failed)
    return 0


def _fail(problem: AgentkeysError, failed: Callable[[bytes], None] | None) -> int:
    if failed is None:
        print(f"agentkeys: error: {problem.message}", file=sys.stderr)
        print(f"agentkeys: hint: {problem.hint}", file=sys.stderr)
    else:
        failed(json.dumps({"message": problem.message, "hint": problem.hint}).encode())
    return 1


if __name__ == "__main__":
    sys.exit(main())
