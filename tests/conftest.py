"""Makes `tests.fakes` and `tests.support` importable, after everything that is installed.

The tests are meant to run against an installed wheel; the checkout must not shadow it.
"""

import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

# Started in the background or by nohup we ignore these, and what we start would do so too.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(_number, signal.SIG_DFL)

_RECURSION_LIMIT = sys.getrecursionlimit()


def pytest_collection_finish() -> None:
    """Test modules import eth-account, which lets JSON nest until the process crashes."""
    sys.setrecursionlimit(_RECURSION_LIMIT)
