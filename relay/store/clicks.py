"""The clicks: where events end, and the partitions they end in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.events import MessageId

_SQL = statements.load("relay")


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a batch's events: removed = moved + duplicates + orphans."""

    removed: int
    moved: int
    orphans: int

    @property
    def duplicates(self) -> int:
        return self.removed - self.moved - self.orphans

    def __add__(self, other: Moved) -> Moved:
        return Moved(
            self.removed + other.removed, self.moved + other.moved, self.orphans + other.orphans
        )


async def clicks_move(connection: AsyncConnection, message_ids: Sequence[MessageId]) -> Moved:
    """Turn claimed events into clicks and add exactly the new ones to the rollup."""
    async with connection.cursor(row_factory=class_row(Moved)) as cursor:
        await cursor.execute(_SQL["clicks_move"], {"message_ids": list(message_ids)})
        moved = await cursor.fetchone()
    if moved is None:
        raise AssertionError("a query without FROM returns one row")
    return moved


async def clicks_partitions(connection: AsyncConnection, months_ahead: int) -> int:
    """Make the partitions from last month to `months_ahead`; returns how many were missing."""
    cursor = await connection.execute(_SQL["clicks_partitions"], {"months_ahead": months_ahead})
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])
