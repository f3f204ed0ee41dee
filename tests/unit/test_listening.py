"""One daemon per socket."""

from __future__ import annotations

from pathlib import Path

import filelock
import pytest

from agentkeys.errors import DaemonError
from agentkeys_daemon import listening
from agentkeys_daemon.listening import only_one
