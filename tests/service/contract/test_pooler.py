"""A pooler between us and Postgres is noticed, and nothing is left on a server connection."""

from __future__ import annotations

import asyncio
from time import monotonic

import psycopg
import pytest
from psycopg import AsyncConnection

import migrations
from service.contract import pooler
from service.contract.pooler import behind_pooler
from service.contract.postgres import Database
from tests.support.bouncer import bounced
from tests.support.clones import Template
from tests.support.proxy import proxied


async def prepared(connection: AsyncConnection) -> set[str]:
    """The names of the statements prepared on the server connection this runs on."""
    cursor = await connection.execute("SELECT name FROM pg_prepared_statements", prepare=False)
    return {str(name) for (name,) in await cursor.fetchall()}


async def test_nobody_between(database: Database, db: AsyncConnection) -> None:
    """Connected directly, what is to be prepared is."""
    async with (
        database.pool("everyclick-test", size=1, waiting=1) as pool,
        pool.connection() as pooled,
    ):
        for connection in (db, pooled):
            assert not behind_pooler(connection)
            await connection.execute("SELECT 1", prepare=True)
            assert {"_pg3_0"} == await prepared(connection)


async def test_what_only_passes_bytes_on_is_no_pooler(database: Database) -> None:
    """A load balancer keeps each client its own server connection, and its prepared statements."""
    async with proxied(database) as (_, passed), await passed.aconnect() as connection:
        assert not behind_pooler(connection)


async def test_a_pooler_is_noticed(database: Database) -> None:
    """Behind one nothing is prepared, asked for or by habit, on any of our connections."""
    with bounced(database, size=1) as bouncer:
        async with (
            await bouncer.database.aconnect() as connection,
            bouncer.database.pool("everyclick-test", size=1, waiting=1) as pool,
            pool.connection() as pooled,
        ):
            for each in (connection, pooled):
                assert behind_pooler(each)
                for _ in range(10):
                    await each.execute("SELECT 1")
                await each.execute("SELECT 2", prepare=True)
            assert set() == await prepared(connection)
        with bouncer.database.connect() as plain:
            for _ in range(10):
                plain.execute("SELECT 1")
            assert [] == plain.execute("SELECT name FROM pg_prepared_statements").fetchall()


async def test_each_gets_its_own_answer(database: Database) -> None:
    """Clients with different statements, on fewer server connections, never meet each other's."""
    with bounced(database) as bouncer:

        async def ask(word: str) -> None:
            async with await bouncer.database.aconnect() as connection:
                for number in range(50):
                    cursor = await connection.execute(
                        f"SELECT '{word}', %s".encode(), [number], prepare=True
                    )
                    assert [(word, number)] == await cursor.fetchall()

        await asyncio.gather(*(ask(word) for word in ("one", "two", "three", "four", "five")))


async def test_no_server_connection_in_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler that lets clients in and has no server connection for them is waited for briefly."""
    monkeypatch.setattr(pooler, "PATIENCE", 0.3)
    with bounced(database, size=1) as bouncer:
        async with await bouncer.database.aconnect() as busy, busy.transaction():
            await busy.execute("SELECT 1")
            started = monotonic()
            with pytest.raises(psycopg.OperationalError, match=r"answered within 0\.3 s"):
                await bouncer.database.aconnect()
            assert monotonic() - started < 3.0
        async with await bouncer.database.aconnect() as connection:
            await connection.execute("SELECT 1")


def test_migrations_go_through(template: Template) -> None:
    """The schema can be made, read and taken back through it."""
    with template.empty() as empty, bounced(empty, size=1) as bouncer:
        migrations.upgrade(bouncer.database.connect)
        assert migrations.head() == migrations.current(bouncer.database.connect)
        migrations.downgrade(bouncer.database.connect, "base")
        assert None is migrations.current(bouncer.database.connect)
