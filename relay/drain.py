"""Empties the outbox and ends, without PgQueuer: for scripts, tests and the end of a shift."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from relay.mover import Mover
from relay.store.outbox import Backlog, outbox_backlog, outbox_recall, outbox_work

PAUSE = 0.05
"""Seconds between two looks while another relay holds what is due."""


async def drain(connection: AsyncConnection, mover: Mover, *, wait: bool) -> Backlog:
    """Move events until none is due; with `wait`, until the deferred ones are through as well.

    Returns what is left. Raises psycopg.OperationalError when the database is lost.
    """
    while True:
        await outbox_recall(connection, mover.waits)
        while await mover.move(connection):
            pass
        work = await outbox_work(connection)
        if work.events_due:
            await asyncio.sleep(PAUSE)
            continue
        backlog = await outbox_backlog(connection, mover.waits)
        if backlog.due:
            continue
        if not wait or backlog.next_due is None:
            return backlog
        await asyncio.sleep(max(backlog.next_due, PAUSE))
