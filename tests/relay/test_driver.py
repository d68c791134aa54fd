"""PgQueuer's Driver port: queries on a pool, notifications on a connection of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from pgqueuer.domain.models import AnyEvent
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from relay.driver import PoolDriver
from service.contract.postgres import Database
from tests.support.bouncer import bounced
from tests.support.ledger import terminate
from tests.support.proxy import proxied


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncConnectionPool]:
    """A pool of two connections."""
    async with database.pool("everyclick-test", size=2, waiting=8) as pool:
        yield pool


@pytest.fixture
async def driver(pool: AsyncConnectionPool, db: AsyncConnection) -> PoolDriver:
    """A driver over the pool that listens on `db`."""
    return PoolDriver(pool, db)


async def test_queries(driver: PoolDriver) -> None:
    """A query has positional parameters and rows by name; a command tells what it did."""
    assert [{"one": 1, "word": "a%b"}] == await driver.fetch(
        "SELECT $1::int AS one, $2::text AS word", 1, "a%b"
    )
    assert "INSERT 0 2" == await driver.execute(
        "INSERT INTO deleted_links (link_id) SELECT generate_series(1, $1::int)", 2
    )


async def test_queries_do_not_wait_for_the_listener(driver: PoolDriver) -> None:
    """While somebody listens, and nothing arrives, queries are answered nonetheless."""
    await driver.add_listener("channel", lambda _: None)
    listening = asyncio.create_task(driver.listen())
    try:
        for _ in range(20):
            assert [{"one": 1}] == await asyncio.wait_for(driver.fetch("SELECT 1 AS one"), 5)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_notifications_reach_their_callbacks(driver: PoolDriver) -> None:
    """Each callback gets what is notified on its channel, and nothing from another."""
    heard: asyncio.Queue[tuple[str, object]] = asyncio.Queue()
    await driver.add_listener("one", lambda payload: heard.put_nowait(("first", payload)))
    await driver.add_listener("one", lambda payload: heard.put_nowait(("second", payload)))
    await driver.add_listener("Two Words", lambda payload: heard.put_nowait(("third", payload)))
    listening = asyncio.create_task(driver.listen())
    try:
        await driver.notify("nobody's", "lost")
        await driver.notify("one", "a")
        await driver.notify("Two Words", "b")
        async with asyncio.timeout(10):
            got = [await heard.get() for _ in range(3)]
        assert [("first", "a"), ("second", "a"), ("third", "b")] == got
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_lost_listener_is_told(
    driver: PoolDriver, db: AsyncConnection, database: Database
) -> None:
    """When the listening connection is killed `listen` raises: deaf, it must not go on."""
    await driver.add_listener("channel", lambda _: None)
    listening = asyncio.create_task(driver.listen())
    await driver.fetch("SELECT 1")
    terminate(database.conninfo, db.info.backend_pid)
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wait_for(listening, 10)


async def test_leaving_shuts_down(driver: PoolDriver) -> None:
    """Used as a context manager it tells PgQueuer's loops to end."""
    async with driver:
        assert not driver.shutdown.is_set()
    assert driver.shutdown.is_set()


async def test_behind_a_pooler(database: Database, driver: PoolDriver) -> None:
    """Nothing listens on a server connection that others use too; what the driver is told to
    notify, its own callbacks get from it, and whoever listens elsewhere from Postgres.
    """
    heard: asyncio.Queue[tuple[str, object]] = asyncio.Queue()
    elsewhere: asyncio.Queue[object] = asyncio.Queue()
    await driver.add_listener("one", elsewhere.put_nowait)
    listening = asyncio.create_task(driver.listen())
    try:
        with bounced(database, size=1) as bouncer:
            async with (
                bouncer.database.pool("everyclick-test", size=1, waiting=8) as pool,
                await bouncer.database.aconnect() as listener,
            ):
                deaf = PoolDriver(pool, listener)
                await deaf.add_listener("one", lambda payload: heard.put_nowait(("one", payload)))
                await deaf.add_listener("two", lambda payload: heard.put_nowait(("two", payload)))
                assert [] == await deaf.fetch("SELECT pg_listening_channels()")
                await deaf.notify("one", "a")
                assert ("one", "a") == heard.get_nowait()
                assert heard.empty()
                assert "a" == await asyncio.wait_for(elsewhere.get(), 10)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_waking(driver: PoolDriver, database: Database, pool: AsyncConnectionPool) -> None:
    """Where a notification comes by itself nothing is made up, unless it was missed; where none can,
    it reads the same.
    """
    heard: list[AnyEvent] = []

    def parse(payload: str | bytes | bytearray) -> None:
        heard.append(AnyEvent.model_validate_json(payload))

    await driver.add_listener("channel", parse)
    driver.wake(missed=False)
    assert [] == heard
    driver.wake(missed=True)
    with bounced(database) as bouncer:
        async with await bouncer.database.aconnect() as listener:
            deaf = PoolDriver(pool, listener)
            await deaf.add_listener("channel", parse)
            deaf.wake(missed=False)
    assert [("channel", "table_changed_event")] * 2 == [
        (event.root.channel, event.root.type) for event in heard
    ]


async def test_a_silent_listener_is_noticed(
    pool: AsyncConnectionPool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that only listens is asked now and then whether anybody is there."""
    monkeypatch.setattr("relay.driver.HEARTBEAT", 0.1)
    async with (
        proxied(database) as (proxy, near),
        await near.aconnect(patience=0.5) as listener,
    ):
        driver = PoolDriver(pool, listener)
        await driver.add_listener("news", lambda _: None)
        listening = asyncio.create_task(driver.listen())
        proxy.hang()
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(listening, 20)
        proxy.go_on()
