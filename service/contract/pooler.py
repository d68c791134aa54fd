"""A pooler such as PgBouncer between us and Postgres: noticed, not configured.

In transaction mode each transaction may run on another server connection, shared with other
clients. What a session keeps on the server is then lost, or worse, somebody else's: psycopg names
its prepared statements _pg3_0, _pg3_1, … in every process, so one would execute another's.
"""

from __future__ import annotations

import asyncio

import psycopg
from psycopg import AsyncConnection

from service.contract import statements
from service.contract.wire import cut

PATIENCE = 2.0
"""Seconds to wait for a server connection: a pooler lets clients in although it has none to give."""

_SQL = statements.load("service.contract")


async def pooler_notice(connection: AsyncConnection) -> None:
    """Turn prepared statements off, `prepare=True` included, when a pooler stands between.

    Postgres tells a client its backend's number when it lets it in; a pooler makes one up, since it
    has no one backend for it. Has to come before any other statement: the error of a statement
    prepared elsewhere comes too late, and need not come at all. Raises psycopg.OperationalError
    when no answer comes within PATIENCE.
    """
    late = asyncio.get_running_loop().call_later(PATIENCE, cut, connection)
    try:
        cursor = await connection.execute(_SQL["pooler_notice"])
        row = await cursor.fetchone()
    except psycopg.OperationalError as error:
        if late.when() > asyncio.get_running_loop().time():
            raise
        raise psycopg.OperationalError(
            f"connected, but no server answered within {PATIENCE:g} s"
        ) from error
    finally:
        late.cancel()
    if row != (connection.info.backend_pid,):
        connection.prepare_threshold = None


def behind_pooler(connection: AsyncConnection) -> bool:
    """Tell what `pooler_notice` has found."""
    return connection.prepare_threshold is None
