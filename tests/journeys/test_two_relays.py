"""Two relays on one outbox: they share the work, and one goes on without the other."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.processes import Process, Processes
from tests.support.traffic import add_events, count, drained, make_link, value
from tests.support.waiting import until

pytestmark = pytest.mark.process

EVENTS = 20_000
LINKS = 8


def moved(relay: Process) -> int:
    """How many clicks a relay has told of."""
    return sum(entry["moved"] for entry in relay.logged("batch_moved"))


def test_one_relay_goes_on(
    processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """Kill -9 of one of two at work: the other ends it; once each, rollups equal, no deadlock."""
    links = [make_link(sql, f"two-{number}") for number in range(LINKS)]
    relays = [processes.relay(RELAY_BATCH_SIZE="10", LOG_LEVEL="debug") for _ in range(2)]
    with sql.transaction():
        for link in links:
            add_events(sql, link, EVENTS // LINKS)
    until(lambda: all(map(moved, relays)), "both at work")
    first, second = relays
    first.kill()
    killed = time.monotonic()
    left, told = count(sql, "outbox"), moved(second)
    assert left > 0
    until(lambda: moved(second) > told, "the other's next batch")
    measured("kill of one relay to the other's next batch", time.monotonic() - killed)
    assert drained(sql) == {"outbox": 0, "clicks": EVENTS, "dead_letters": 0}
    measured(f"kill of one relay to {left} events moved by the other", time.monotonic() - killed)
    assert value(sql, "SELECT sum(clicks) FROM clicks_hourly") == EVENTS
    # Statistics reach the views when a session ends or idles.
    assert second.stop().code == 0
    assert (
        value(sql, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    )
    processes.cli("relay", "verify")
