"""The rollups: that they equal the clicks, and making them so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.events import LinkId
from service.contract.session import session_attended

_SQL = statements.load("relay")

ROLLUPS = 7_204_316_012
"""Advisory lock: shared by each transaction that writes clicks and rollups together, exclusive
for one that must see them at rest. The number is arbitrary but never reused."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An hour of a link where the rollup says one thing and the clicks say another."""

    link_id: LinkId
    hour: datetime
    rollup: int
    clicks: int


async def rollups_share(connection: AsyncConnection) -> None:
    """Keep `rollups_lock` waiting until this transaction ends."""
    await connection.execute(_SQL["rollups_share"], {"rollups": ROLLUPS})


async def rollups_lock(connection: AsyncConnection) -> None:
    """Wait for the batches in flight and hold off new ones until this transaction ends.

    Raises psycopg.errors.LockNotAvailable after a second: a batch that hangs must not make every
    other relay hang with it.
    """
    await connection.execute(_SQL["rollups_lock"], {"rollups": ROLLUPS})


async def rollups_pin(connection: AsyncConnection) -> None:
    """Keep months of clicks from coming or going until this transaction ends.

    Without it a look that begins while strays move to their new month would miss them.
    """
    await connection.execute(_SQL["rollups_pin"])


async def rollups_verify(connection: AsyncConnection) -> AsyncIterator[Difference]:
    """Yield every difference between rollups and clicks, as of one instant.

    Holds up no batch and is disturbed by none: one statement has one snapshot, and a batch commits
    clicks and rollup together. A month that is to be made meanwhile is made later.
    """
    async with connection.transaction():
        await session_attended(connection)
        await rollups_pin(connection)
        async with connection.cursor(row_factory=class_row(Difference)) as cursor:
            async for difference in cursor.stream(_SQL["rollups_verify"]):
                yield difference


async def rollups_rebuild(connection: AsyncConnection) -> int:
    """Make the rollups what the clicks say; returns how many hours had to be changed.

    Call it in a transaction that holds `rollups_lock`.
    """
    async with connection.transaction():
        await session_attended(connection)
        await rollups_pin(connection)
        cursor = await connection.execute(_SQL["rollups_rebuild"])
        row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def verification_record(connection: AsyncConnection, differences: int) -> None:
    """Keep the result of a verification, in place of the one before."""
    await connection.execute(_SQL["verification_record"], {"differences": differences})
