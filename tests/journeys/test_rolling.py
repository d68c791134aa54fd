"""A rolling restart of everything under load: no request fails, each click is counted once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from service.contract.postgres import Database
from tests.journeys.conftest import Measured
from tests.support.http import click, statuses
from tests.support.processes import SECRET_KEY, Process, Processes, children, command, free_ports
from tests.support.traffic import drained, make_link, value
from tests.support.visitors import Visitors
from tests.support.waiting import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here"),
]

RATE = 300.0
"""Requests per second."""

LAG = 5.0
"""Seconds from a click to its place in `clicks`, while relays change, on a busy machine."""


def workers(supervisor: Process) -> set[int]:
    """The pids of its workers."""
    return {pid for pid in children(supervisor.pid) if command(pid).endswith(" -m service")}


def supervised(processes: Processes, **more: str) -> Process:
    """Start a service of two workers; return once both are at work."""
    env = {"PORT": str(free_ports(1)[0]), "WEB_CONCURRENCY": "2", **more}
    supervisor = processes.start("service", env=env)
    supervisor.ready(lambda: len(supervisor.logged("database_ready")) == 2, "two workers ready")
    supervisor.ready(lambda: len(supervisor.logged("listening")) == 3, "two workers listening")
    return supervisor


def roll(supervisor: Process) -> None:
    """Replace both workers; return once it is done."""
    before = len(supervisor.logged("worker_replaced"))
    supervisor.send(signal.SIGHUP)
    supervisor.ready(
        lambda: len(supervisor.logged("worker_replaced")) == before + 2, "both workers replaced"
    )


@contextmanager
def lag_watched(database: Database) -> Iterator[list[float]]:
    """Watch how old the oldest event in the outbox is, in seconds."""
    seen: list[float] = []
    over = threading.Event()

    def watch() -> None:
        with database.connect("everyclick-test") as connection:
            while not over.wait(0.1):
                row = connection.execute(
                    "SELECT coalesce(extract(epoch FROM now() - min(occurred_at)), 0) FROM outbox"
                ).fetchone()
                assert row is not None
                seen.append(float(row[0]))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


@pytest.mark.parametrize("connections", [32, 0], ids=["kept", "fresh"])
def test_rolling_restart(
    processes: Processes,
    database: Database,
    sql: psycopg.Connection,
    measured: Measured,
    connections: int,
) -> None:
    """Two workers replaced twice and two relays once, under load: 0 failed requests, and each
    click is counted once. Connections that are kept, and one for each request.
    """
    make_link(sql, "roll")
    supervisor = supervised(processes)
    url = f"{supervisor.url}/roll"
    relays = [processes.relay() for _ in range(2)]
    first = workers(supervisor)
    with (
        Visitors(url, rate=RATE, connections=connections) as visitors,
        lag_watched(database) as lags,
    ):
        until(lambda: len(visitors.found) >= 100, "visitors under way")
        for _ in range(2):
            began = time.monotonic()
            roll(supervisor)
            measured("SIGHUP to both workers replaced", time.monotonic() - began)
            old = relays.pop(0)
            assert old.stop().code == 0
            relays.append(processes.relay())
    assert [] == visitors.failures
    assert set(range(1, visitors.sent + 1)) == visitors.found
    assert set() == first & workers(supervisor)
    assert (visitors.told_to_close > 0) == (connections > 0)
    measured("oldest event in the outbox meanwhile", max(lags))
    assert max(lags) < LAG

    assert drained(sql) == {"outbox": 0, "clicks": visitors.sent, "dead_letters": 0}
    assert visitors.sent == value(sql, "SELECT count(DISTINCT user_agent) FROM clicks")
    processes.cli("relay", "verify")
    for relay in relays:
        assert relay.stop().code == 0
    assert 0 == value(sql, "SELECT count(*) FROM pgqueuer WHERE status = 'picked'")
    assert supervisor.stop().code == 0
    assert [] == supervisor.logged("worker_exited")


def test_a_version_that_cannot_serve(
    processes: Processes, sql: psycopg.Connection, tmp_path: Path
) -> None:
    """When the new worker refuses to start, here for its configuration, the old ones serve on."""
    make_link(sql, "stays")
    key = tmp_path / "key"
    key.write_text(SECRET_KEY)
    supervisor = supervised(processes, SECRET_KEY="", SECRET_KEY_FILE=str(key))
    url = f"{supervisor.url}/stays"
    first = workers(supervisor)
    key.write_text("short")
    supervisor.send(signal.SIGHUP)
    supervisor.ready(lambda: supervisor.logged("replacement_failed"), "the roll given up")
    assert [78] == [entry["status"] for entry in supervisor.logged("replacement_failed")]
    assert first == workers(supervisor)
    assert statuses(click(url, 40)) == {302: 40}
    key.write_text(SECRET_KEY)
    roll(supervisor)
    assert set() == first & workers(supervisor)
    assert statuses(click(url, 40)) == {302: 40}
    assert supervisor.stop().code == 0
