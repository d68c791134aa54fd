"""Backup and restore: a dump that is taken under load is whole, and a relay goes on from it."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psycopg
import pytest

from service.contract.postgres import Database
from tests.support.client_programs import client_programs
from tests.support.clones import Template
from tests.support.http import fetch
from tests.support.processes import Processes, url_of
from tests.support.traffic import add_events, count, drained, make_link, value
from tests.support.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow]

BACKLOG = 3_000

DEFERRED = 10
"""Events that wait for their next try, and so are in the outbox whenever the dump is taken."""

AN_HOUR_LATER = "UPDATE outbox SET available_at = now() WHERE available_at > now()"

MARKERS = "SELECT {} FROM {} WHERE {} LIKE 'mark/%'"


@pytest.fixture
def tools(database: Database) -> Path:
    """Where pg_dump and pg_restore are."""
    return client_programs(database)


AGENT = {"dead_letters": "event ->> 'user_agent'"}


def marks(sql: psycopg.Connection, *tables: str) -> list[str]:
    """The clicks that were made here, by their marks, wherever they stand."""
    found: list[str] = []
    for table in tables:
        agent = AGENT.get(table, "user_agent")
        rows = sql.execute(MARKERS.format(agent, table, agent).encode()).fetchall()
        found += [mark for (mark,) in rows]
    return found


def test_a_dump_under_load(
    processes: Processes, sql: psycopg.Connection, template: Template, tools: Path, tmp_path: Path
) -> None:
    """What was acknowledged before a dump began is in it once; restored and drained, all is equal."""
    link = make_link(sql, "kept")
    service, relay = processes.service(), processes.relay(RELAY_BATCH_SIZE="20")
    sent: list[int] = []
    stop = Event()

    def click() -> None:
        while not stop.is_set():
            number = len(sent)
            headers = {"User-Agent": f"mark/{number}"}
            assert 302 == fetch(f"{service.url}/kept", headers=headers).status
            sent.append(number)

    dump = tmp_path / "everyclick.dump"
    with ThreadPoolExecutor(1) as thread:
        clicking = thread.submit(click)
        try:
            until(lambda: len(sent) > 50 or clicking.done(), "clicks")
            with sql.transaction():
                add_events(sql, link, DEFERRED)
                sql.execute(
                    "UPDATE outbox SET available_at = now() + interval '1 hour'"
                    " WHERE user_agent = 'journeys'"
                )
            add_events(sql, link, BACKLOG)
            before = len(sent)
            run(tools / "pg_dump", "-Fc", "-f", str(dump), conninfo(processes))
            after = len(sent) + 1
        finally:
            stop.set()
        clicking.result()
    with template.empty() as other:
        run(tools / "pg_restore", "--no-owner", "-d", other.conninfo, str(dump))
        with other.connect() as restored:
            there = marks(restored, "outbox", "clicks", "dead_letters")
            check(there, before, after)
            assert count(restored, "outbox") >= DEFERRED
            restored.execute(AN_HOUR_LATER)
            elsewhere = {"DATABASE_URL": url_of(other)}
            processes.cli("relay", "drain", env=elsewhere)
            processes.cli("relay", "verify", env=elsewhere)
            assert sorted(there) == sorted(marks(restored, "clicks"))
            assert 0 == count(restored, "outbox")
            assert BACKLOG + DEFERRED + len(there) == value(
                restored, "SELECT sum(clicks) FROM clicks_hourly"
            )
            # And it goes on: the same codes, new ids, the months where they belong.
            again = processes.service(**elsewhere)
            assert 302 == fetch(f"{again.url}/kept").status
            processes.cli("relay", "drain", env=elsewhere)
            assert BACKLOG + DEFERRED + len(there) + 1 == count(restored, "clicks")
            assert 0 == again.stop().code
    sql.execute(AN_HOUR_LATER)
    drained(sql)
    assert {f"mark/{number}" for number in sent} == set(marks(sql, "clicks"))
    assert [0, 0] == [service.stop().code, relay.stop().code]


def check(there: list[str], before: int, after: int) -> None:
    """Each click once; those answered before the dump all, those sent after its end none."""
    numbers = sorted(int(mark.removeprefix("mark/")) for mark in there)
    assert list(range(len(numbers))) == numbers
    assert before <= len(numbers) <= after


def conninfo(processes: Processes) -> str:
    """The database under test as pg_dump takes it."""
    return processes.env["DATABASE_URL"]


def run(*argv: object) -> None:
    """Run a program to its end, which must be a good one."""
    done = subprocess.run([str(each) for each in argv], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


def test_a_month_begins_during_a_dump(
    processes: Processes, sql: psycopg.Connection, database: Database
) -> None:
    """A relay that starts while a dump reads every table, with no month made yet, moves clicks."""
    link = make_link(sql, "kept")
    add_events(sql, link, 10)
    with database.connect("pg_dump") as dump:
        with dump.transaction():
            dump.execute("LOCK TABLE clicks, clicks_hourly, outbox IN ACCESS SHARE MODE")
            relay = processes.relay()
            assert {"outbox": 0, "clicks": 10, "dead_letters": 0} == drained(sql)
            told = [entry["doing"] for entry in relay.logged("database_unavailable")]
            assert ["make_partitions"] == told
        processes.cli("relay", "verify")
    assert 10 == count(sql, "clicks_default")
    assert 0 == relay.stop().code
    relay = processes.relay()
    relay.ready(lambda: relay.logged("partitions_made"), "months made")
    assert (0, 10) == (count(sql, "clicks_default"), count(sql, "clicks"))
    assert 0 == relay.stop().code
