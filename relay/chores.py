"""What has to be done now and then so that the tables stay as they should be."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from relay.store.clicks import clicks_partitions
from relay.store.deleted_links import (
    deleted_link_claim,
    deleted_link_purge,
    deleted_link_purged,
    deleted_links_waiting,
)
from relay.store.pgqueuer import pgqueuer_log_prune, pgqueuer_statistics_prune
from relay.store.rollups import rollups_lock, rollups_share
from service.contract.observations import LinkPurged, LogPruned, Observer, PartitionsMade
from service.contract.session import session_unhurried

MONTHS_AHEAD = 3
"""A relay that was down for a quarter still finds its partitions made."""

LOG_HOURS = 1
"""Hours that PgQueuer's log is kept; it gets three rows per job and is never pruned by itself."""

STATISTICS_DAYS = 7

CHUNK = 5_000
"""Clicks removed per transaction when a deleted link is purged: short locks, bounded WAL."""


async def make_partitions(connection: AsyncConnection, observe: Observer) -> None:
    """Make the months of `clicks` that are missing, from last month to MONTHS_AHEAD."""
    async with connection.transaction():
        # Strays of the default partition move along, however many they have become.
        await session_unhurried(connection)
        made = await clicks_partitions(connection, MONTHS_AHEAD)
    if made:
        observe(PartitionsMade(made))


async def prune_logs(connection: AsyncConnection, observe: Observer) -> None:
    """Delete what PgQueuer has logged and counted long enough ago."""
    rows = await pgqueuer_log_prune(connection, LOG_HOURS)
    rows += await pgqueuer_statistics_prune(connection, STATISTICS_DAYS)
    if rows:
        observe(LogPruned(rows))


async def purge_links(connection: AsyncConnection, observe: Observer, stop: asyncio.Event) -> None:
    """Remove what deleted links have left behind, in chunks; ends early when asked to stop.

    Raises psycopg.errors.LockNotAvailable when a batch in flight does not end within a second.
    """
    waiting = await deleted_links_waiting(connection)
    # A batch that began before the deletion may still see the link and insert its clicks: once
    # the rollups could be locked, the last such batch is over.
    async with connection.transaction():
        await rollups_lock(connection)
    for link in waiting:
        clicks = 0
        while not stop.is_set():
            async with connection.transaction():
                await rollups_share(connection)
                if not await deleted_link_claim(connection, link.link_id):
                    break  # another relay has removed the rest
                removed = await deleted_link_purge(connection, link.link_id, CHUNK)
                if not removed:
                    await deleted_link_purged(connection, link.link_id)
            clicks += removed
            if not removed:
                if clicks or not link.purged:
                    observe(LinkPurged(link.link_id, clicks))
                break
