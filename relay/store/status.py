"""What an operator wants to know first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.pooler import behind_pooler

_SQL = statements.load("relay")


@dataclass(frozen=True, slots=True)
class Status:
    """The pipeline at one instant. Ages in seconds; None where there is nothing to tell.

    `oldest_seconds` is the age of the oldest event in the outbox, due or not; `oldest_due_seconds` how
    long the first of those that are due has been due.

    `relays` is None behind a pooler, where connections are its own and not those of relays.
    """

    outbox_due: int
    outbox_deferred: int
    outbox_retried: int
    outbox_most_attempts: int
    oldest_seconds: float | None
    oldest_due_seconds: float | None
    next_due_seconds: float | None
    dead_letters: int
    last_dead_at: datetime | None
    last_click_at: datetime | None
    links_to_purge: int
    relays: int | None
    last_partition: str | None


async def relay_status(connection: AsyncConnection, waits: Sequence[float]) -> Status:
    """Read the pipeline's state in one statement; no event waits longer than the longest of `waits`."""
    async with connection.cursor(row_factory=class_row(Status)) as cursor:
        await cursor.execute(_SQL["relay_status"], {"waits": list(waits), "last": len(waits)})
        found = await cursor.fetchone()
    if found is None:
        raise AssertionError("an aggregate returns one row")
    return replace(found, relays=None) if behind_pooler(connection) else found


@dataclass(frozen=True, slots=True)
class Strain:
    """What others do to the server.

    `held_back`: transactions since the oldest view that somebody holds. `notifications`: how full
    their queue is, from 0 to 1.
    """

    held_back: int
    notifications: float


async def server_strain(connection: AsyncConnection) -> Strain:
    """Measure it. Room that nobody needs any more in the queue of notifications is made by that."""
    async with connection.cursor(row_factory=class_row(Strain)) as cursor:
        await cursor.execute(_SQL["server_strain"])
        found = await cursor.fetchone()
    if found is None:
        raise AssertionError("a query without FROM returns one row")
    return found
