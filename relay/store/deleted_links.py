"""Deleted links whose clicks still have to go."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import class_row

from service.contract import statements
from service.contract.events import LinkId

_SQL = statements.load("relay")


@dataclass(frozen=True, slots=True)
class DeletedLink:
    """A link to purge; `purged` when it was already, and this is the second look."""

    link_id: LinkId
    purged: bool


async def deleted_links_waiting(connection: AsyncConnection) -> list[DeletedLink]:
    """Return the links to purge, first deleted first."""
    async with connection.cursor(row_factory=class_row(DeletedLink)) as cursor:
        await cursor.execute(_SQL["deleted_links_waiting"])
        return await cursor.fetchall()


async def deleted_link_claim(connection: AsyncConnection, link_id: LinkId) -> bool:
    """Keep other relays from purging the link until this transaction ends; false: it is purged."""
    cursor = await connection.execute(_SQL["deleted_link_claim"], {"link_id": link_id})
    return await cursor.fetchone() is not None


async def deleted_link_purge(connection: AsyncConnection, link_id: LinkId, limit: int) -> int:
    """Remove up to `limit` clicks and take them off the rollup; returns how many there were."""
    cursor = await connection.execute(
        _SQL["deleted_link_purge"], {"link_id": link_id, "limit": limit}
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def deleted_link_purged(connection: AsyncConnection, link_id: LinkId) -> None:
    """Remove the rest: events, dead letters, rollups, and the note of the deletion."""
    await connection.execute(_SQL["deleted_link_purged"], {"link_id": link_id})
