"""Allowances: what each may still do, kept where all processes see it and a restart leaves it."""

from __future__ import annotations

from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import args_row

from service.allowances import Limit, Taken
from service.contract import statements

_SQL = statements.load("service")


async def allowance_take(connection: AsyncConnection, key: bytes, limit: Limit) -> Taken:
    """Take one unit, if there is one: of any number that try at once `limit.quota` are allowed."""

    def told(allowed: bool, full_at: datetime, at: datetime) -> Taken:  # noqa: FBT001 - a row
        return Taken(limit, allowed=allowed, full_at=full_at, at=at)

    async with connection.cursor(row_factory=args_row(told)) as cursor:
        await cursor.execute(
            _SQL["allowance_take"], {"key": key, "interval": limit.interval, "span": limit.span}
        )
        taken = await cursor.fetchone()
    if taken is None:
        raise RuntimeError("a statement that always tells one row told none")
    return taken


async def allowance_give_back(connection: AsyncConnection, key: bytes, limit: Limit) -> None:
    """Give back a unit that was taken."""
    await connection.execute(_SQL["allowance_give_back"], {"key": key, "interval": limit.interval})
