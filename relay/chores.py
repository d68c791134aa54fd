"""What has to be done now and then so that the tables stay as they should be."""

from __future__ import annotations

import asyncio

import psycopg
from psycopg import AsyncConnection

from relay.store.clicks import clicks_month_make, clicks_months_missing
from relay.store.deleted_links import (
    deleted_link_claim,
    deleted_link_purge,
    deleted_link_purged,
    deleted_links_waiting,
)
from relay.store.pgqueuer import pgqueuer_log_prune, pgqueuer_statistics_prune
from relay.store.rollups import rollups_lock, rollups_share
from service.contract.observations import (
    DatabaseUnavailable,
    LinkPurged,
    LogPruned,
    Observer,
    PartitionRefused,
    PartitionsMade,
)
from service.contract.session import unhurried
from service.contract.transience import lost

MONTHS_AHEAD = 3
"""A relay that was down for a quarter still finds its partitions made."""

LOG_HOURS = 1
"""Hours that PgQueuer's log is kept; it gets three rows per job and is never pruned by itself."""

STATISTICS_DAYS = 7

CHUNK = 5_000
"""Clicks removed per transaction when a deleted link is purged: short locks, bounded WAL."""


async def make_partitions(connection: AsyncConnection, observe: Observer) -> None:
    """Make the months of `clicks` that are missing, from last month to MONTHS_AHEAD, each for itself.

    One that cannot be made is told, and holds up neither the others nor the relay: its clicks stand
    in the default partition until the next time. While a backup or a long query reads `clicks` none
    can be. Raises psycopg.Error when the connection is lost.
    """
    made, taken = 0, []
    for month in await clicks_months_missing(connection, MONTHS_AHEAD):
        try:
            # Strays of the default partition move along, however many they have become.
            async with unhurried(connection):
                if await clicks_month_make(connection, month):
                    made += 1
                else:
                    taken.append(month)
        except psycopg.errors.LockNotAvailable as error:
            observe(DatabaseUnavailable("make_partitions", str(error).strip()))
            break  # the others would wait as long
        except psycopg.Error as error:
            if connection.closed or lost(error):
                raise
            observe(PartitionRefused(month, str(error).strip()))
    if made:
        observe(PartitionsMade(made))
    if taken:
        # Another relay has made it meanwhile, or somebody has a table of that name.
        for month in await clicks_months_missing(connection, MONTHS_AHEAD):
            if month in taken:
                observe(PartitionRefused(month, "A table of its name is no partition of clicks."))


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
