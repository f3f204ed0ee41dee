"""Makes `tests.fakes` and `tests.support` importable, after everything that is installed.

The tests are meant to run against an installed wheel; the checkout must not shadow it.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
