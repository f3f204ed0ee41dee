"""How soon a daemon that is started serves what an earlier one has kept in the OS keyring."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.bench.processes import median_seconds
from tests.support.programs import BIN, Home, new_home
from tests.system.secret_service import SecretService, missing_packages

__all__ = ["cold_start_ratio", "missing_packages"]

SHIM = "agentkeys-credential-process"


def cold_start_ratio(runs: int) -> float:
    """From no daemon to a served lease, by the shim, as a multiple of a bare interpreter."""
    with (
        tempfile.TemporaryDirectory(prefix="agentkeys-") as folder,
        SecretService(Path(folder)) as keyring,
        new_home() as home,
    ):
        keyring.start_keyring(password="pw")
        del home.environment["AGENTKEYS_VAULT"]
        home.environment |= keyring.environment
        assert home.run("agentkeys", "sandbox", "start").status == 0
        first = home.succeed(SHIM)
        ratios = [_cold(home) for _ in range(runs)]
        assert home.succeed(SHIM) == first, "it was minted anew"
        return statistics.median(ratios)


def _cold(home: Home) -> float:
    home.succeed("agentkeys", "daemon", "stop")
    bare = {"bare": [str(BIN / "python3"), "-I", "-S", "-c", "pass"]}
    unit = median_seconds(bare, environment=home.environment, runs=5)["bare"]
    shim = {"shim": [str(home.program(SHIM))]}
    return median_seconds(shim, environment=home.environment, runs=1, warm_up=0)["shim"] / unit
