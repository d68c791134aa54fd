"""A redirect waits until its click is committed, or for so long, and never longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from psycopg import AsyncConnection

from service import recorder as module
from service.contract.events import Click, new_message_id
from service.contract.observations import DatabaseUnavailable, Observation
from service.contract.outbox import Resolved
from service.contract.postgres import Database
from service.errors import Unavailable
from service.recorder import DEADLINE, Recorder
from tests.support.ledger import (
    count,
    held,
    make_link,
    message_ids,
    until,
    waits_for_lock,
)
from tests.support.proxy import proxied

FOUND = Resolved("https://example.com/", live=True)

BLOCKED = "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"


def click() -> Click:
    """A click that says nothing about itself."""
    return Click(new_message_id(), None, None)


@asynccontextmanager
async def recording(
    database: Database, observed: list[Observation], *, size: int = 4, waiting: int = 100
) -> AsyncIterator[Recorder]:
    """Yield a recorder with a pool of its own."""
    pool = database.pool("everyclick-service", size=size, waiting=waiting)
    await pool.open(wait=False)
    try:
        yield Recorder(pool, observed.append)
    finally:
        await pool.close(timeout=5.0)


def test_the_deadline_keeps_the_promise() -> None:
    """Clients are promised an answer within three seconds."""
    assert DEADLINE < 3.0


async def test_a_click_is_recorded(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A live code leads somewhere and its click is in the outbox; looking leaves none."""
    await make_link(db)
    sent = click()
    async with recording(database, observed) as recorder:
        assert FOUND == await recorder.record("hello", sent)
        assert None is await recorder.record("unknown", click())
        assert FOUND == await recorder.resolve("hello")
    assert {sent.message_id} == await message_ids(db, "outbox")
    assert [] == observed


async def test_nobody_there(observed: list[Observation]) -> None:
    """Without a database a click is refused within the promised time, and that is reported."""
    absent = Database("url", "postgresql://127.0.0.1:1/nothing", "", "")
    async with recording(absent, observed) as recorder:
        started = monotonic()
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
        assert monotonic() - started < 3.0
    assert all(isinstance(each, DatabaseUnavailable) for each in observed)
    assert observed


async def test_a_locked_table(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A commit that does not come is given up in time, and reported once; when the table is free
    clicks are recorded again.
    """
    await make_link(db)
    given_up, sent = click(), click()
    async with recording(database, observed) as recorder:
        with held(database.conninfo, BLOCKED):
            started = monotonic()
            with pytest.raises(Unavailable):
                await recorder.record("hello", given_up)
            assert monotonic() - started < 3.0
        assert FOUND == await recorder.record("hello", sent)
    # What was given up may have been committed as the table came free, or not.
    found = await message_ids(db, "outbox")
    assert {sent.message_id} == found - {given_up.message_id}
    assert 1 == len(observed)


async def test_waiting_is_bounded(
    db: AsyncConnection,
    database: Database,
    observed: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Past the pool's bound clicks are shed at once; afterwards all connections work again."""
    monkeypatch.setattr(module, "DEADLINE", 1.0)
    await make_link(db)
    async with recording(database, observed, size=2, waiting=5) as recorder:
        with held(database.conninfo, BLOCKED):
            tries = [asyncio.create_task(recorder.record("hello", click())) for _ in range(50)]

            results = await asyncio.gather(*tries, return_exceptions=True)
        assert {Unavailable} == {type(each) for each in results}
        shed = [each for each in observed if "requests waiting" in getattr(each, "error", "")]
        # At most two held a connection and five waited for one.
        assert len(shed) >= 43

        async def serves() -> bool:
            try:
                return FOUND == await recorder.resolve("hello")
            except Unavailable:
                return False

        await until(serves)
        again = await asyncio.gather(*(recorder.record("hello", click()) for _ in range(4)))
        assert [FOUND] * 4 == again
    # A try that was given up may still have been committed when the table came free.
    assert 4 <= await count(db, "outbox") <= 6


async def test_killed_connections_are_replaced(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A click whose connection is killed under it is recorded by the next try, once."""
    await make_link(db)
    sent = click()
    async with recording(database, observed) as recorder:
        with held(database.conninfo, BLOCKED) as blocker:
            recorded = asyncio.create_task(recorder.record("hello", sent))
            await until(lambda: waits_for_lock(db))
            cursor = await db.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'everyclick-service'"
                " AND wait_event_type = 'Lock'"
            )
            assert [(True,)] == await cursor.fetchall()
            blocker.rollback()
            assert FOUND == await recorded
    assert {sent.message_id} == await message_ids(db, "outbox")
    assert 1 == await count(db, "outbox")
    assert [] == observed


async def test_a_restarted_database_loses_no_click(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """With every pooled connection dead at once, as after a restart, all clicks are recorded."""
    await make_link(db)
    async with recording(database, observed, size=4) as recorder:
        with held(database.conninfo, BLOCKED) as blocker:
            tries = [asyncio.create_task(recorder.record("hello", click())) for _ in range(4)]
            await until(lambda: waits_for_lock(db, 4))
            blocker.rollback()
            await asyncio.gather(*tries)
        await db.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'everyclick-service'"
        )
        results = await asyncio.gather(*(recorder.record("hello", click()) for _ in range(8)))
    assert [FOUND] * 8 == results
    assert 12 == await count(db, "outbox")


async def test_a_lost_answer(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A click that was committed, but whose answer was lost, is tried again and stays one."""
    await make_link(db)
    sent = click()
    async with proxied(database) as (proxy, broken), recording(broken, observed) as recorder:
        assert FOUND == await recorder.resolve("hello")
        proxy.lose_answer = True
        assert FOUND == await recorder.record("hello", sent)
        assert not proxy.lose_answer
    assert {sent.message_id} == await message_ids(db, "outbox")
    assert 1 == await count(db, "outbox")


async def test_a_hanging_server(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A server that takes the statement and says nothing, not even to a cancel, is given up too."""
    await make_link(db)
    async with proxied(database) as (proxy, broken), recording(broken, observed) as recorder:
        assert FOUND == await recorder.resolve("hello")
        proxy.hang()
        started = monotonic()
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
        assert monotonic() - started < 3.0
        proxy.go_on()
        assert FOUND == await recorder.record("hello", click())


async def test_a_missing_table(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A database that was not migrated is unavailable, not a crash."""
    await db.execute("DROP TABLE outbox")
    async with recording(database, observed) as recorder:
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
    assert 1 == len(observed)


async def test_a_client_that_goes_away(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """When the request is cancelled its try ends and its connection serves the next."""
    await make_link(db)
    async with recording(database, observed, size=1) as recorder:
        with held(database.conninfo, BLOCKED):
            gone = asyncio.create_task(recorder.record("hello", click()))
            await until(lambda: waits_for_lock(db))
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
        assert FOUND == await recorder.record("hello", click())
