"""Which database it is, and what it must guarantee before we trust it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout, TooManyRequests
from psycopg_pool.base import AttemptWithBackoff

from service.contract.postgres import Database, database
from service.contract.settings import ConfigurationError, Settings
from tests.support.ledger import until
from tests.support.proxy import proxied

PG = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER")


@pytest.fixture(autouse=True)
def _emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing about a database comes from the developer's shell."""
    for name in (*PG, "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_a_url_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """DATABASE_URL goes before PG*, and is described without user or password."""
    monkeypatch.setenv("PGHOST", "elsewhere")
    settings = Settings(database_url="postgres://ada:hunter2@db.example:5433/clicks")
    with database(settings, pytest.fail) as chosen:
        assert "url" == chosen.kind
        assert "Postgres at db.example:5433, database clicks" == chosen.where
        assert "hunter2" not in chosen.where + chosen.psql


@pytest.mark.parametrize("name", ["PGHOST", "PGDATABASE"])
def test_libpqs_variables_are_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """PGHOST or PGDATABASE means libpq's own variables."""
    monkeypatch.setenv(name, "told")
    with database(Settings(), pytest.fail) as chosen:
        assert ("libpq", "") == (chosen.kind, chosen.conninfo)
        assert "told" in chosen.where


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ada:hunter%zz2@h/d",
        "postgresql://ada:hunter2@[::1/d",
        "postgresql://ada:hunter2@h/d?no_such_option=1",
    ],
)
def test_an_unreadable_url(url: str) -> None:
    """A URL that libpq cannot read is a fault of DATABASE_URL, told without any of its password."""
    with (
        pytest.raises(ConfigurationError, match=r"^DATABASE_URL: ") as raised,
        database(Settings(database_url=url), pytest.fail),
    ):
        pytest.fail("it was read")
    assert "hunter" not in str(raised.value)


async def test_connections_commit_by_themselves(db: AsyncConnection, database: Database) -> None:
    """Every connection is in autocommit and says which part of us it belongs to."""
    assert db.autocommit
    async with await database.aconnect("everyclick-part") as connection:
        cursor = await connection.execute("SHOW application_name")
        assert [("everyclick-part",)] == await cursor.fetchall()
    with database.connect("everyclick-part") as plain:
        assert plain.autocommit


async def test_nobody_there() -> None:
    """A database that cannot be reached is an OperationalError, not a hang."""
    absent = Database("url", "postgresql://127.0.0.1:1/nothing", "", "")
    with pytest.raises(psycopg.OperationalError):
        await absent.aconnect()
    with pytest.raises(psycopg.OperationalError):
        absent.connect()


async def test_a_pool_is_bounded(database: Database) -> None:
    """Beyond its size callers wait, beyond `waiting` they fail at once; both as OperationalError."""
    async with database.pool("everyclick-test", size=1, waiting=2) as pool:
        assert 2.0 == pool.timeout
        async with pool.connection() as held:
            waiting = [asyncio.create_task(pool.getconn(0.2)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(TooManyRequests):
                await pool.getconn(0.2)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert {PoolTimeout} == {type(each) for each in results}
            assert held.autocommit
    assert issubclass(PoolTimeout, psycopg.OperationalError)
    assert issubclass(TooManyRequests, psycopg.OperationalError)


async def test_a_pool_recovers_from_an_outage(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the database was away, and however many callers gave up meanwhile, a pool
    goes on trying to connect, and serves when it can.
    """
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.02)
    async with proxied(database) as (proxy, broken):
        pool = broken.pool("everyclick-test", size=2, waiting=3)
        pool.reconnect_timeout = 0.02
        proxy.refuse = True
        await pool.open(wait=False)
        for _ in range(3):
            with pytest.raises(PoolTimeout):
                await pool.getconn(0.02)
        # The pool's queue is full of callers that are gone.
        with pytest.raises(TooManyRequests):
            await pool.getconn(0.02)
        tried = proxy.refused

        async def tries_again() -> bool:
            return proxy.refused >= tried + 10

        await until(tries_again)
        proxy.refuse = False

        async def serves() -> bool:
            try:
                async with pool.connection(0.1) as connection:
                    await connection.execute("SELECT 1")
            except psycopg.OperationalError:
                return False
            return True

        await until(serves)
        await pool.close()


async def test_transactions_see_what_others_have_committed(
    database: Database, db: AsyncConnection
) -> None:
    """Whatever the server's default is: after the wait for a lock they look at what is there now."""
    name = db.info.dbname
    await db.execute(
        f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'".encode()
    )
    async with await database.aconnect() as connection, connection.transaction():
        cursor = await connection.execute("SHOW transaction_isolation")
        assert ("read committed",) == await cursor.fetchone()
