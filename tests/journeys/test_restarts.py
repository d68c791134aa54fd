"""Rolling restarts and stops under load, for an ordinary user too: no request fails.

`python -m ops.restarts` is the same at length.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ops.restarts import run
from tests.support.processes import Processes

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here"),
]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails(processes: Processes, sql: psycopg.Connection, workers: int) -> None:
    """Two rolling restarts and two stops: each request sent is answered 302 and stored, on kept
    connections and on fresh ones.
    """
    result = run(processes, sql, workers, times=2, requests=1000, code="restarts")
    assert {} == result.failures
    assert result.sent == result.found == result.stored
    assert result.sent >= 1000
