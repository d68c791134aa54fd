"""The secret that makes the first admin: one at most, kept as a hash, used once."""

from __future__ import annotations

from datetime import timedelta

from psycopg import AsyncConnection

from service.contract import statements

_SQL = statements.load("service")


async def setup_offer(connection: AsyncConnection, secret_hash: bytes, lifetime: timedelta) -> None:
    """Keep a new secret; the one before it holds no longer."""
    await connection.execute(
        _SQL["setup_offer"], {"secret_hash": secret_hash, "lifetime": lifetime}
    )


async def setup_holds(connection: AsyncConnection, secret_hash: bytes) -> bool:
    """Whether this is the secret, and it can still be used."""
    cursor = await connection.execute(_SQL["setup_holds"], {"secret_hash": secret_hash})
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def setup_use(connection: AsyncConnection, secret_hash: bytes) -> bool:
    """Use the secret up. False: it is not the secret, has expired or was used."""
    cursor = await connection.execute(_SQL["setup_use"], {"secret_hash": secret_hash})
    return await cursor.fetchone() is not None
