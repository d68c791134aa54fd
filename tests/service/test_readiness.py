"""Whether the service can do its work now."""

from __future__ import annotations

import asyncio

import pytest
from psycopg import AsyncConnection

from service import readiness
from service.contract import postgres
from service.contract.fitness import SCHEMA_HEAD
from service.contract.postgres import Database
from service.errors import Unavailable
from service.readiness import Readiness
from tests.support.clones import Template
from tests.support.proxy import proxied


async def test_ready(database: Database) -> None:
    """A reachable database at our schema is ready."""
    await Readiness(database).probe()


async def test_nobody_there() -> None:
    """A database that cannot be reached is not."""
    absent = Database("url", "postgresql://127.0.0.1:1/nothing", "", "")
    with pytest.raises(Unavailable, match="does not answer"):
        await Readiness(absent).probe()


async def test_never_migrated(template: Template) -> None:
    """One that was never migrated is not, and the answer says what to run."""
    with template.empty() as empty, pytest.raises(Unavailable, match="service migrate"):
        await Readiness(empty).probe()


async def test_each_probe_asks_anew(db: AsyncConnection, database: Database) -> None:
    """What was ready a moment ago is asked again."""
    asked = Readiness(database)
    await asked.probe()
    await db.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(Unavailable, match="0001"):
        await asked.probe()
    await db.execute("UPDATE alembic_version SET version_num = %s", (SCHEMA_HEAD,))
    await asked.probe()


async def test_what_is_missing_is_said(db: AsyncConnection, database: Database) -> None:
    """A table that goes missing under way is named, and the service is ready once it is back."""
    asked = Readiness(database)
    await asked.probe()
    await db.execute("ALTER TABLE allowances RENAME TO elsewhere")
    for _ in range(2):
        with pytest.raises(Unavailable, match='relation "allowances" does not exist'):
            await asked.probe()
    await db.execute("ALTER TABLE elsewhere RENAME TO allowances")
    await asked.probe()


async def test_a_hanging_server(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing is not ready; the probe ends in time."""
    monkeypatch.setattr(readiness, "PATIENCE", 0.2)
    async with proxied(database) as (proxy, broken):
        proxy.hang()
        with pytest.raises(Unavailable, match="does not answer"):
            await Readiness(broken).probe()


@pytest.mark.parametrize(
    "module, name", [(postgres, "pooler_notice"), (readiness, "schema_serves")]
)
async def test_a_server_that_falls_silent(
    database: Database, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """Silent from some statement on, it is not asked to confirm a cancel for longer than a moment."""
    monkeypatch.setattr(readiness, "PATIENCE", 1.0)
    async with proxied(database) as (proxy, broken):
        sent = getattr(module, name)

        async def silent(connection: AsyncConnection) -> None:
            proxy.hang()
            await sent(connection)

        monkeypatch.setattr(module, name, silent)
        with pytest.raises(Unavailable, match="does not answer"):
            async with asyncio.timeout(5.0):  # a cancel that is waited for takes 5 s more
                await Readiness(broken).probe()
