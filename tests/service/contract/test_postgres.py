"""Which database it is, and what it must guarantee before we trust it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg_pool import PoolTimeout, TooManyRequests
from psycopg_pool.base import AttemptWithBackoff

import migrations
from service.contract.postgres import (
    SCHEMA_HEAD,
    Database,
    DurabilityError,
    SchemaError,
    database,
    durability_check,
    schema_check,
)
from service.contract.settings import ConfigurationError, Settings
from tests.support.clones import Template
from tests.support.ledger import until
from tests.support.proxy import proxied

PG = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER")


@pytest.fixture(autouse=True)
def _emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing about a database comes from the developer's shell."""
    for name in (*PG, "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_code_and_migrations_agree() -> None:
    """SCHEMA_HEAD is the newest revision there is."""
    assert migrations.head() == SCHEMA_HEAD


async def test_schema_of_our_own(db: AsyncConnection) -> None:
    """A migrated database passes."""
    await schema_check(db)


async def test_schema_never_migrated(template: Template) -> None:
    """An empty database is told from an old one, and the error says what to run."""
    with template.empty() as empty:
        async with await empty.aconnect() as db:
            with pytest.raises(SchemaError, match=r"not migrated yet.*service migrate") as raised:
                await schema_check(db)
    assert None is raised.value.found


@pytest.mark.parametrize(
    "revision, words", [("0001", "python -m service migrate"), ("9999", "deploy the newer release")]
)
async def test_schema_of_another_release(db: AsyncConnection, revision: str, words: str) -> None:
    """An older database asks to be migrated, a newer one for newer code; both name revisions."""
    await db.execute("UPDATE alembic_version SET version_num = %s", [revision])
    with pytest.raises(SchemaError, match=words) as raised:
        await schema_check(db)
    assert revision == raised.value.found
    assert revision in str(raised.value)
    assert SCHEMA_HEAD in str(raised.value)


async def test_durable(db: AsyncConnection) -> None:
    """The database under test keeps what it commits."""
    await durability_check(db)


async def faults(database: Database) -> list[str]:
    """What durability_check finds on a new connection."""
    async with await database.aconnect() as connection:
        with pytest.raises(DurabilityError, match="ACCEPT_DATA_LOSS=true") as raised:
            await durability_check(connection)
    return raised.value.faults


async def test_asynchronous_commits_are_found(db: AsyncConnection, database: Database) -> None:
    """synchronous_commit=off is found wherever it was set; `local` is on this disk and passes."""
    alter = sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}")
    name = sql.Identifier(db.info.dbname)
    await db.execute(alter.format(name, sql.SQL("off")))
    (fault,) = await faults(database)
    assert "synchronous_commit" in fault
    await db.execute(alter.format(name, sql.SQL("local")))
    async with await database.aconnect() as connection:
        await durability_check(connection)


@pytest.mark.parametrize("table", ["outbox", "clicks_default", "dead_letters", "deleted_links"])
async def test_unlogged_tables_are_found(
    db: AsyncConnection, database: Database, table: str
) -> None:
    """A table of ours that a crash would empty is found; somebody else's is not our business."""
    await db.execute("CREATE UNLOGGED TABLE scratch (n int)")
    await durability_check(db)
    await db.execute(sql.SQL("ALTER TABLE {} SET UNLOGGED").format(sql.Identifier(table)))
    (fault,) = await faults(database)
    assert f"table {table} is unlogged" in fault


async def test_an_unlogged_month_is_found(db: AsyncConnection, database: Database) -> None:
    """A single month of clicks that a crash would empty is found too."""
    await db.execute("SELECT clicks_partition_make('2031-01-15')")
    await db.execute("ALTER TABLE clicks_2031_01 SET UNLOGGED")
    (fault,) = await faults(database)
    assert "clicks_2031_01" in fault


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
