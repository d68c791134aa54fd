"""What a health check costs: it is run every few seconds, for ever. Counted in modules, not in time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes import REPOSITORY

MODULES = 90
"""Modules that a check loads, at most, the interpreter's own included: 71 on Python 3.11, of which 40 are
loaded by `python -c pass`. The commands as a whole load 1,500."""

DEAR = {
    "aiohttp",
    "http",
    "json",
    "logging",
    "psycopg",
    "pydantic",
    "re",
    "ssl",
    "typer",
    "asyncio",
}


@pytest.mark.process
@pytest.mark.parametrize("package, port", [("service", "PORT"), ("relay", "RELAY_METRICS_PORT")])
def test_a_check_loads_next_to_nothing(package: str, port: str) -> None:
    """Neither settings nor driver nor command line."""
    done = subprocess.run(
        # -S: some packages of this environment load what they like at every start.
        [sys.executable, "-S", "-X", "importtime", "-m", package, "health"],
        cwd=REPOSITORY,
        env={port: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == done.returncode, done.stderr
    loaded = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line]
    assert f"{package}.cli.health" in loaded
    assert set() == DEAR & {name.partition(".")[0] for name in loaded}
    assert len(loaded) <= MODULES
