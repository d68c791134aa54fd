"""The gate before any work."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from service.contract import gate as module
from service.contract.fitness import DurabilityError, SchemaError
from service.contract.gate import gate, pass_once
from service.contract.observations import (
    DatabaseReady,
    DatabaseUnavailable,
    DataLossAccepted,
    Observation,
)
from service.contract.postgres import Database
from service.contract.settings import Settings
from tests.support.clones import Template


async def lossy(db: AsyncConnection) -> None:
    """Let the database lose commits in a crash, as far as sessions let it."""
    await db.execute(
        sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(
            sql.Identifier(db.info.dbname)
        )
    )


async def test_a_fit_database(database: Database, observed: list[Observation]) -> None:
    """A database at our schema that keeps its commits lets pass, and one line says so."""
    await gate(database, Settings(), observed.append)
    assert [DatabaseReady(database.address)] == observed


async def test_a_wrong_schema(template: Template, observed: list[Observation]) -> None:
    """Waiting does not mend a schema: it is raised at once."""
    with template.empty() as empty, pytest.raises(SchemaError):
        await gate(empty, Settings(), observed.append)
    assert [] == observed


async def test_a_lossy_database(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A database that may lose acknowledged clicks is refused, unless the loss is accepted; what our
    sessions set for themselves is no reason.
    """
    await lossy(db)
    await gate(database, Settings(), observed.append)
    assert [DatabaseReady(database.address)] == observed
    observed.clear()
    await db.execute("ALTER TABLE outbox SET UNLOGGED")
    with pytest.raises(DurabilityError):
        await gate(database, Settings(), observed.append)
    assert [] == observed
    accepted = replace(database, durable=False)
    await gate(accepted, Settings(accept_data_loss=True), observed.append)
    loss, ready = observed
    assert isinstance(loss, DataLossAccepted)
    assert "synchronous_commit" in loss.message
    assert "outbox" in loss.message
    assert DatabaseReady(database.address) == ready


async def test_an_absent_database_is_waited_for(
    database: Database, observed: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it does not answer, one line says so; when it does the gate opens."""
    monkeypatch.setattr(module, "PAUSE", 0.001)
    tries = 0

    async def aconnect(self: Database, application: str, *, patience: float) -> AsyncConnection:
        nonlocal tries
        tries += 1
        chosen = database if tries > 5 else Database("url", "postgresql://127.0.0.1:1/x", "", "")
        return await connect(chosen, application, patience=patience)

    connect = Database.aconnect
    monkeypatch.setattr(Database, "aconnect", aconnect)
    await asyncio.wait_for(gate(database, Settings(), observed.append), 20)
    absent, ready = observed
    assert isinstance(absent, DatabaseUnavailable)
    assert "start" == absent.doing
    assert DatabaseReady(database.address) == ready


async def test_once_does_not_wait(observed: list[Observation]) -> None:
    """A single try of an absent database raises."""
    absent = Database("url", "postgresql://127.0.0.1:1/nothing", "", "")
    with pytest.raises(psycopg.OperationalError):
        await pass_once(absent, Settings(), observed.append)
