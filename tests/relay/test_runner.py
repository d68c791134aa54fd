"""The relay as a process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from psycopg import AsyncConnection

from relay import runner
from relay.drain import drain
from relay.settings import RelaySettings
from service.contract.observations import FaultDrill, Observation
from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.ledger import count, make_events, message_ids, rollups_equal_clicks, terminate
from tests.support.ledger import make_link as link_of
from tests.support.processes import Processes, url_of
from tests.support.traffic import add_events, make_link
from tests.support.waiting import until as wait_until


@pytest.fixture
def processes(tmp_path: Path, database: Database) -> Iterator[Processes]:
    """Starts processes on the test's database."""
    made = Processes(tmp_path, {"DATABASE_URL": url_of(database)})
    yield made
    made.close()
    assert [] == made.complaints()


@pytest.mark.process
def test_a_life(database: Database, processes: Processes) -> None:
    """`python -m relay` moves events, serves metrics and health, and ends with 0 on SIGTERM."""
    with database.connect() as connection:
        add_events(connection, make_link(connection, "hello"), 7)
    relay = processes.relay()

    def moved() -> bool:
        with database.connect() as connection:
            return connection.execute("SELECT count(*) FROM clicks").fetchone() == (7,)

    wait_until(moved, "seven clicks")
    counted = 'everyclick_relay_events_total{outcome="moved"} 7.0'
    # Counted just after the commit that the line above saw.
    wait_until(lambda: counted in urlopen(relay.metrics).read().decode(), counted)
    health = relay.metrics.replace("/metrics", "/healthz")
    assert b'{"status": "ok"}' == urlopen(health).read()
    assert 0 == relay.stop().code
    assert [True] == [line["clean"] for line in relay.logged("stopped")]
    assert 7 == sum(line["moved"] for line in relay.logged("batch_moved"))
    assert "" == relay.stdout


GARBAGE = """
INSERT INTO pgqueuer (priority, entrypoint, status, payload, headers)
VALUES (0, 'move_clicks', 'queued', '\\xff00fe', NULL),
       (0, 'move_clicks', 'queued', NULL, '["no object"]'),
       (0, 'purge_links', 'queued', NULL, '"nor this"')
"""


@pytest.mark.process
def test_jobs_of_garbage_end_nobody(tmp_path: Path, database: Database) -> None:
    """What PgQueuer can make nothing of is told, and gone; the same relay goes on counting."""
    started = Processes(tmp_path, {"DATABASE_URL": url_of(database)})
    try:
        relay = started.relay()
        with database.connect() as connection:
            link = make_link(connection, "hello")

            def number(table: str) -> object:
                return connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0]

            connection.execute(GARBAGE)
            wait_until(lambda: relay.logged("job_failed"), "a line about it")
            add_events(connection, link, 5)
            wait_until(lambda: number("clicks") == 5, "five clicks")
            strange = "pgqueuer WHERE headers IS NOT NULL OR payload IS NOT NULL"
            wait_until(lambda: number(strange) == 0, "none of them left")
        assert {"session"} == {line["job"] for line in relay.logged("job_failed")}
        assert 0 == relay.stop().code
    finally:
        started.close()


@pytest.mark.process
def test_a_read_only_primary_is_waited_for(database: Database, processes: Processes) -> None:
    """A relay that may not write stays, says so once in a while, and goes on when it may."""
    with database.connect() as connection:
        link, name = make_link(connection, "hello"), connection.info.dbname
        relay = processes.relay()
        connection.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode()
        )
        terminate(database.conninfo)
    wait_until(
        lambda: any("read-only" in line["error"] for line in relay.logged("database_unavailable")),
        "the relay says that it may not write",
    )
    with database.connect() as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
        add_events(connection, link, 7)

        def moved() -> bool:
            return connection.execute("SELECT count(*) FROM clicks").fetchone() == (7,)

        wait_until(moved, "seven clicks")
    assert 0 == relay.stop().code


@pytest.mark.process
def test_a_taken_port_is_a_setting(tmp_path: Path, database: Database) -> None:
    """A metrics port that cannot be had ends the relay with 78 and the names of the settings."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = {"DATABASE_URL": url_of(database), "RELAY_METRICS_PORT": port}
        done = Processes(tmp_path, env).cli("relay", expected=78)
    assert (
        f"RELAY_METRICS_PORT={port}: the port is in use on 127.0.0.1 by process {os.getpid()}"
        in (done.stderr)
    )
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_an_empty_database_is_refused(tmp_path: Path, template: Template) -> None:
    """On a database that was never migrated the relay ends with 78 and says what to run."""
    with template.empty() as empty:
        done = Processes(tmp_path, {"DATABASE_URL": url_of(empty)}).cli("relay", expected=78)
    assert "python -m service migrate" in done.stderr


def test_a_drill_is_loud(observed: list[Observation]) -> None:
    """With RELAY_FAULT_RATE set the relay says so at its start; without it, it says nothing."""
    runner.mover(RelaySettings(relay_fault_rate=0.5), observed.append)
    assert [FaultDrill(0.5)] == observed
    runner.mover(RelaySettings(), observed.append)
    assert 1 == len(observed)


def test_the_settings_make_the_policy(observed: list[Observation]) -> None:
    """Batch size, attempts and backoff are the settings'; without a drill nothing is handled."""
    settings = RelaySettings(relay_batch_size=7, relay_max_attempts=3, relay_backoff_seconds=0.25)
    policy = runner.mover(settings, observed.append)._policy
    terms = policy.terms
    assert (7, 3, 0.25) == (policy.batch_size, terms.max_attempts, terms.backoff_seconds)
    assert policy.handle is None
    assert 0 <= terms.chance() < 1


@pytest.mark.parametrize("rate, clicks, dead", [(0.0, 40, 0), (0.5, 40, 0), (1.0, 0, 40)])
async def test_a_drill_loses_nothing(
    db: AsyncConnection, observed: list[Observation], rate: float, clicks: int, dead: int
) -> None:
    """Half of all handlings failing costs no click; all of them failing buries each event, once."""
    sent = set(await make_events(db, await link_of(db), 40))
    settings = RelaySettings(relay_fault_rate=rate, relay_backoff_seconds=0.0)
    left = await drain(db, runner.mover(settings, observed.append), wait=True)
    assert (0, 0, dead) == (left.due, left.deferred, left.dead_letters)
    assert clicks == await count(db, "clicks")
    assert sent == await message_ids(db, "clicks") | await message_ids(db, "dead_letters")
    cursor = await db.execute("SELECT count(*) FROM dead_letters WHERE attempts = 5")
    assert [(dead,)] == await cursor.fetchall()
    assert await rollups_equal_clicks(db)
