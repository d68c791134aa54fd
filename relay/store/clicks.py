"""The clicks: where events end, and the partitions they end in."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import class_row

from relay.frontier import MARGIN, Place
from relay.store.rollups import ROLLUPS
from service.contract import statements

_SQL = statements.load("relay")


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a batch's events: claimed = moved + duplicates + orphans.

    `seen` and `seen_id` are the place before which nothing due was left.
    """

    claimed: int
    moved: int
    orphans: int
    seen: str
    seen_id: int

    @property
    def duplicates(self) -> int:
        return self.claimed - self.moved - self.orphans

    @property
    def place(self) -> Place:
        return Place(self.seen, self.seen_id)


async def clicks_move(connection: AsyncConnection, since: Place, limit: int) -> Moved:
    """Turn up to `limit` due events, oldest first, into clicks; add the new ones to the rollup.

    One statement: on an autocommit connection it is the whole transaction.
    """
    async with connection.cursor(row_factory=class_row(Moved)) as cursor:
        await cursor.execute(
            _SQL["clicks_move"],
            {
                "since": since.at,
                "since_id": since.id,
                "limit": limit,
                "margin": MARGIN,
                "rollups": ROLLUPS,
            },
            prepare=True,
        )
        moved = await cursor.fetchone()
    if moved is None:
        raise AssertionError("the margin is always one row")
    return moved


async def clicks_partitions(connection: AsyncConnection, months_ahead: int) -> int:
    """Make the partitions from last month to `months_ahead`; returns how many were missing."""
    cursor = await connection.execute(_SQL["clicks_partitions"], {"months_ahead": months_ahead})
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def clicks_replan(connection: AsyncConnection) -> None:
    """Let no batch on this connection be moved by the plan of another."""
    await connection.execute(_SQL["clicks_replan"])
