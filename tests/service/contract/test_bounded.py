"""service/contract/bounded.py, through a proxy that falls silent."""

from __future__ import annotations

import asyncio
from time import monotonic

import psycopg
import pytest

from service.contract import bounded
from service.contract.postgres import Database
from tests.support.proxy import proxied


async def test_an_answer_that_does_not_come(database: Database) -> None:
    """Once patience is over the connection is lost, however long the statement would take."""
    async with proxied(database) as (_, near), await near.aconnect(patience=0.3) as connection:
        began = monotonic()
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT pg_sleep(60)")
        assert 0.3 <= monotonic() - began < 3.0
        assert connection.closed


async def test_a_server_that_bounds_itself(database: Database) -> None:
    """A statement that the server ends first leaves the connection as good as it was."""
    session = {"statement_timeout": "100ms"}
    async with await database.aconnect(session=session, patience=5.0) as connection:
        with pytest.raises(psycopg.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(60)")
        cursor = await connection.execute("SELECT 7")
        assert (7,) == await cursor.fetchone()


@pytest.mark.parametrize("still_takes_connections", [True, False], ids=["forgotten", "hangs"])
async def test_a_task_that_is_cancelled(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, still_takes_connections: bool
) -> None:
    """A task that waits for a server that is gone ends soon when it is cancelled: its connection
    was forgotten, or nobody answers at all.
    """
    monkeypatch.setattr(bounded, "PARTING", 0.2)
    async with proxied(database) as (proxy, near), await near.aconnect(patience=30.0) as connection:
        waiting = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.2)
        if still_takes_connections:
            proxy.strand()
        else:
            proxy.hang()
        began = monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 20)
        assert monotonic() - began < 3.0
        assert connection.closed
        proxy.go_on()


async def test_a_cancelled_statement_is_confirmed(database: Database) -> None:
    """Where the server is there it ends the statement, and the connection is as good as it was."""
    async with await database.aconnect(patience=30.0) as connection:
        waiting = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(bounded.PARTING + 0.1)
        cursor = await connection.execute("SELECT 7")
        assert (7,) == await cursor.fetchone()
