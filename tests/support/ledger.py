"""Links and events to test with, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import AsyncConnection

from service.contract.events import LinkId, MessageId, new_message_id

TABLES = ("links", "outbox", "clicks", "clicks_hourly", "dead_letters", "deleted_links", "pgqueuer")


async def make_link(db: AsyncConnection, code: str = "hello") -> LinkId:
    """Make a live link."""
    cursor = await db.execute(
        "INSERT INTO links (code, target) VALUES (%s, 'https://example.com/') RETURNING id", [code]
    )
    return LinkId(await first(cursor))


async def make_event(
    db: AsyncConnection,
    link_id: int,
    *,
    at: str = "2026-11-24 10:30:00+00",
    user_agent: str | None = None,
    referrer: str | None = None,
    message_id: MessageId | None = None,
) -> MessageId:
    """Put an event into the outbox as if it had been recorded at `at`; it is due at once."""
    message_id = message_id or new_message_id()
    await db.execute(
        "INSERT INTO outbox (message_id, link_id, occurred_at, user_agent, referrer)"
        " VALUES (%s, %s, %s, %s, %s)",
        [message_id, link_id, at, user_agent, referrer],
    )
    return message_id


async def make_events(db: AsyncConnection, link_id: int, number: int) -> list[MessageId]:
    """Put so many events of a link into the outbox."""
    message_ids = [new_message_id() for _ in range(number)]
    await db.execute(
        "INSERT INTO outbox (message_id, link_id) SELECT unnest(%s::uuid[]), %s",
        [message_ids, link_id],
    )
    return message_ids


async def first(cursor: psycopg.AsyncCursor[psycopg.rows.TupleRow]) -> int:
    """Return the number in the first column of the first row."""
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def count(db: AsyncConnection, table: str) -> int:
    """Return how many rows a table has."""
    return await first(await db.execute(f"SELECT count(*) FROM {table}".encode()))


async def message_ids(db: AsyncConnection, table: str) -> set[MessageId]:
    """Return the events a table holds."""
    cursor = await db.execute(f"SELECT message_id FROM {table}".encode())
    return {MessageId(each) for (each,) in await cursor.fetchall()}


async def rollups(db: AsyncConnection) -> dict[tuple[int, str], int]:
    """Return the rollups by link and hour, hours as UTC text."""
    cursor = await db.execute(
        "SELECT link_id, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), clicks"
        " FROM clicks_hourly"
    )
    return {(link_id, hour): clicks for link_id, hour, clicks in await cursor.fetchall()}


async def rollups_equal_clicks(db: AsyncConnection) -> bool:
    """Compare rollups and clicks in a way of our own, not the product's."""
    cursor = await db.execute(
        "WITH counted AS (SELECT link_id, floor(extract(epoch FROM occurred_at) / 3600) AS hour,"
        " count(*)::bigint AS clicks FROM clicks GROUP BY 1, 2),"
        " told AS (SELECT link_id, floor(extract(epoch FROM hour) / 3600) AS hour, clicks"
        " FROM clicks_hourly WHERE clicks <> 0)"
        " SELECT count(*) FROM ((TABLE counted EXCEPT TABLE told)"
        " UNION ALL (TABLE told EXCEPT TABLE counted)) AS different"
    )
    return await first(cursor) == 0


async def refuse(db: AsyncConnection, user_agent: str, sqlstate: str = "22000") -> None:
    """Let Postgres refuse to insert clicks with this user agent, with this SQLSTATE."""
    await do_on_insert(
        db,
        user_agent,
        f"RAISE EXCEPTION 'refused %', NEW.user_agent USING ERRCODE = '{sqlstate}'",
    )


async def do_on_insert(db: AsyncConnection, user_agent: str, deed: str) -> None:
    """Let Postgres do something whenever a click with this user agent is inserted."""
    body = f"BEGIN IF NEW.user_agent = '{user_agent}' THEN {deed}; END IF; RETURN NEW; END"
    await db.execute(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $body$ {body} $body$".encode()
    )
    await db.execute(
        "CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON clicks"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


async def until(true: Callable[[], Awaitable[bool]], within: float = 20.0) -> None:
    """Look again and again until something is true; fail when it takes longer than `within` s."""
    async with asyncio.timeout(within):
        while not await true():  # noqa: ASYNC110 - the state is another process's
            await asyncio.sleep(0.01)


async def waits_for_lock(db: AsyncConnection, number: int = 1) -> bool:
    """Tell whether so many of this database's backends wait for a lock."""
    cursor = await db.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return await first(cursor) >= number


def terminate(conninfo: str, pid: int | None = None) -> int:
    """End one backend, or every other one of the database; returns how many."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND pid = coalesce(%s, pid)",
            [pid],
        ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def held(conninfo: str, statement: str) -> Iterator[psycopg.Connection]:
    """Keep a transaction open that has executed `statement`; rolled back at the end."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(statement.encode())
        yield connection
        if not connection.closed:
            connection.rollback()
