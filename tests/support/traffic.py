"""Links, events and counts, written and read by SQL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import psycopg
from psycopg import sql

from service.contract.events import new_message_id
from tests.support.waiting import until

TABLES = ("outbox", "clicks", "dead_letters")


def make_link(
    connection: psycopg.Connection, code: str, target: str = "https://example.com/"
) -> int:
    """Make a link that nobody owns; return its id."""
    row = connection.execute(
        "INSERT INTO links (code, target) VALUES (%s, %s) RETURNING id", (code, target)
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_events(connection: psycopg.Connection, link_id: int, number: int) -> None:
    """Put so many events into the outbox, as the service would have."""
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy("COPY outbox (message_id, link_id, user_agent) FROM STDIN") as copy:
            for _ in range(number):
                copy.write_row((new_message_id(), link_id, "journeys"))
        cursor.execute("ANALYZE outbox")


def add_events_at(connection: psycopg.Connection, link_id: int, times: Iterable[datetime]) -> None:
    """Put one event into the outbox for each time."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO outbox (message_id, link_id, occurred_at) VALUES (%s, %s, %s)",
            [(new_message_id(), link_id, time) for time in times],
        )


def value(connection: psycopg.Connection, query: str) -> int:
    """Return the first column of the query's first row, a number."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def count(connection: psycopg.Connection, table: str) -> int:
    """How many rows a table has."""
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    ).fetchone()
    assert row is not None
    return int(row[0])


def counts(connection: psycopg.Connection) -> dict[str, int]:
    """How many rows each table has that an event can be in, read at one moment."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM clicks),"
        " (SELECT count(*) FROM dead_letters)"
    ).fetchone()
    assert row is not None
    return dict(zip(TABLES, map(int, row), strict=True))


def drained(connection: psycopg.Connection, within: float = 60.0) -> dict[str, int]:
    """Wait for an empty outbox; return what stands where then."""
    until(lambda: count(connection, "outbox") == 0, "an empty outbox", within)
    return counts(connection)
