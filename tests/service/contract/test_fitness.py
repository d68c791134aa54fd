"""What a database must be before it is trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg import AsyncConnection, sql

import migrations
from service.contract.fitness import (
    SCHEMA_HEAD,
    DurabilityError,
    SchemaError,
    durability_check,
    schema_check,
)
from service.contract.postgres import Database
from tests.support.clones import Template


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


async def faults(database: Database, *, as_is: bool = False) -> list[str]:
    """What durability_check finds on a new connection."""
    async with await database.aconnect() as connection:
        with pytest.raises(DurabilityError, match="ACCEPT_DATA_LOSS=true") as raised:
            await durability_check(connection, as_is=as_is)
    return raised.value.faults


async def test_asynchronous_commits_are_found(db: AsyncConnection, database: Database) -> None:
    """synchronous_commit=off counts only where sessions leave it as it is; `local` is on this disk."""
    alter = sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}")
    name = sql.Identifier(db.info.dbname)
    await db.execute(alter.format(name, sql.SQL("off")))
    async with await database.aconnect() as connection:
        await durability_check(connection, as_is=True)
    accepted = replace(database, durable=False)
    (fault,) = await faults(accepted, as_is=True)
    assert "synchronous_commit" in fault
    await db.execute(alter.format(name, sql.SQL("local")))
    async with await accepted.aconnect() as connection:
        await durability_check(connection, as_is=True)


@pytest.mark.parametrize(
    "table", ["outbox", "clicks_default", "dead_letters", "deleted_links", "api_keys"]
)
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
