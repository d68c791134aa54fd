"""verify and rebuild beside relays at work, with links deleted and months changing under them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

import migrations
from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.processes import Process, Processes, url_of
from tests.support.traffic import add_events, count, drained, make_link, value
from tests.support.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow]

LINKS, EVENTS = 6, 20

COMMANDS = ("verify", "rebuild", "verify", "rebuild")

UNPURGED = "SELECT count(*) FROM deleted_links WHERE purged_at IS NULL"

BLOCKED_BY = """
SELECT relay.pid FROM pg_stat_activity AS relay, unnest(pg_blocking_pids(relay.pid)) AS blocker
JOIN pg_stat_activity AS other ON other.pid = blocker
WHERE relay.application_name LIKE 'everyclick-relay%' AND relay.datname = current_database()
  AND other.application_name = 'everyclick-relay-cli'
"""
"""The relay's connections that wait for a lock of a verify or rebuild."""


def moved(relays: list[Process]) -> int:
    """How many clicks the relays have told of."""
    return sum(entry["moved"] for relay in relays for entry in relay.logged("batch_moved"))


def months() -> list[datetime]:
    """Instants in this month and others, some of which have no partition."""
    now = datetime.now(UTC).replace(microsecond=0)
    return [now + timedelta(days=days) for days in (0, -400, -31, 31, 200)]


def rollups(sql: psycopg.Connection) -> bytes:
    """Every byte of the rollups, in order."""
    with (
        sql.cursor() as cursor,
        cursor.copy("COPY (SELECT * FROM clicks_hourly ORDER BY link_id, hour) TO STDOUT") as copy,
    ):
        return b"".join(bytes(each) for each in copy)


def traffic(sql: psycopg.Connection, number: int) -> None:
    """One more round of events for each link, of another month each time."""
    at = months()[number % len(months())]
    for (link,) in sql.execute("SELECT id FROM links").fetchall():
        with sql.transaction():
            add_events(sql, link, EVENTS)
            sql.execute(
                "UPDATE outbox SET occurred_at = %s + random() * interval '3 hours',"
                " message_id = overlay(message_id::text PLACING left(uuidv7_floor(%s)::text, 13)"
                " FROM 1)::uuid WHERE link_id = %s AND occurred_at = now()",
                (at, at, link),
            )


def delete(sql: psycopg.Connection, code: str) -> None:
    """Delete a link as the service does."""
    sql.execute(
        "WITH gone AS (DELETE FROM links WHERE code = %s RETURNING id)"
        " INSERT INTO deleted_links (link_id) SELECT id FROM gone",
        (code,),
    )


def written_by_a_relay(sql: psycopg.Connection, processes: Processes, template: Template) -> bytes:
    """The rollups of the same clicks where nothing but a relay has ever written any."""
    with template.clone() as other, other.connect() as control:
        with control.cursor() as cursor, sql.cursor() as source:
            for table, columns in (
                ("links", "id, code, target"),
                ("clicks", "message_id, link_id, occurred_at"),
            ):
                into = "outbox" if table == "clicks" else table
                identity = " OVERRIDING SYSTEM VALUE" if table == "links" else ""
                rows = source.execute(f"SELECT {columns} FROM {table}".encode()).fetchall()
                places = ", ".join(["%s"] * len(columns.split(",")))
                cursor.executemany(
                    f"INSERT INTO {into} ({columns}){identity} VALUES ({places})".encode(), rows
                )
        processes.cli("relay", "drain", env={"DATABASE_URL": url_of(other)})
        assert migrations.head() == migrations.current(other.connect)
        return rollups(control)


def test_beside_two_relays(
    processes: Processes, sql: psycopg.Connection, database: Database, template: Template
) -> None:
    """verify is never wrong and never waited for; what rebuild leaves is what a relay writes."""
    for number in range(LINKS):
        make_link(sql, f"link-{number}")
    relays = [processes.relay(RELAY_BATCH_SIZE="50", LOG_LEVEL="debug") for _ in range(2)]
    rounds = itertools.count()
    for number, name in enumerate(COMMANDS):
        told = moved(relays)
        command = processes.start("relay", name)
        while command.code is None:
            traffic(sql, next(rounds))
            if name == "verify":
                # What a verify holds stands in no relay's way.
                assert [] == sql.execute(BLOCKED_BY).fetchall()
        assert command.code == 0, command.stderr
        assert ("are equal" if name == "verify" else "0 hours changed") in command.stderr
        assert moved(relays) > told
        delete(sql, f"link-{number}")
    drained(sql)
    until(lambda: value(sql, UNPURGED) == 0, "purged")
    assert LINKS - len(COMMANDS) == count(sql, "links")
    before = rollups(sql)
    assert "0 hours changed" in processes.cli("relay", "rebuild").stderr
    sql.execute("UPDATE clicks_hourly SET clicks = clicks + 1 WHERE link_id % 2 = 0")
    processes.cli("relay", "rebuild")
    assert before == rollups(sql) == written_by_a_relay(sql, processes, template)
    assert [0, 0] == [relay.stop().code for relay in relays]


def test_killed_in_its_middle(processes: Processes, sql: psycopg.Connection) -> None:
    """Kill -9 of a rebuild that has mended half: nothing is mended, and the relay goes on at once."""
    links = [make_link(sql, f"link-{number}") for number in range(2)]
    for link in links:
        add_events(sql, link, 10)
    processes.cli("relay", "drain")
    right = rollups(sql)
    sql.execute("UPDATE clicks_hourly SET clicks = clicks + 1")
    wrong = rollups(sql)
    sql.execute(
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(3600); RETURN NEW; END'"
    )
    sql.execute(
        "CREATE TRIGGER hang BEFORE UPDATE ON clicks_hourly FOR EACH ROW"
        f" WHEN (NEW.link_id = {links[1]}) EXECUTE FUNCTION hang()".encode()
    )
    rebuild = processes.start("relay", "rebuild")
    hangs = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    rebuild.ready(lambda: value(sql, hangs) == 1, "in its middle")
    rebuild.kill()
    add_events(sql, links[0], 5)
    until(lambda: value(sql, hangs) == 0, "its transaction has ended")
    assert wrong == rollups(sql)
    sql.execute("DROP TRIGGER hang ON clicks_hourly")
    processes.cli("relay", "rebuild")
    assert right == rollups(sql)
    processes.cli("relay", "drain")
    processes.cli("relay", "verify")
    assert 25 == count(sql, "clicks")
