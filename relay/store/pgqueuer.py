"""PgQueuer's own tables, as far as we look after them."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import AsyncConnection

from service.contract import statements

_SQL = statements.load("relay")


async def pgqueuer_enqueue(connection: AsyncConnection, entrypoint: str) -> bool:
    """Queue a job unless one is queued already; false when one was."""
    cursor = await connection.execute(_SQL["pgqueuer_enqueue"], {"entrypoint": entrypoint})
    return cursor.rowcount == 1


async def pgqueuer_discard(connection: AsyncConnection, entrypoints: Sequence[str]) -> int:
    """Delete jobs of these names that carry what none of ours does; returns how many."""
    values = {"entrypoints": list(entrypoints)}
    cursor = await connection.execute(_SQL["pgqueuer_discard"], values)
    return cursor.rowcount


async def pgqueuer_log_prune(connection: AsyncConnection, hours: int) -> int:
    """Delete log rows older than `hours`; returns how many."""
    cursor = await connection.execute(_SQL["pgqueuer_log_prune"], {"hours": hours})
    return cursor.rowcount


async def pgqueuer_schedules_recall(connection: AsyncConnection) -> int:
    """Make schedules due that a clock, set back since, has put off; returns how many."""
    cursor = await connection.execute(_SQL["pgqueuer_schedules_recall"])
    return cursor.rowcount


async def pgqueuer_statistics_prune(connection: AsyncConnection, days: int) -> int:
    """Delete statistics older than `days`; returns how many rows."""
    cursor = await connection.execute(_SQL["pgqueuer_statistics_prune"], {"days": days})
    return cursor.rowcount
