"""Watches for work and asks PgQueuer for one job when there is some: the coalesced wake-up.

The redirect notifies nobody, since a transaction that notifies takes a database-wide lock at
commit. The relay looks for itself instead, which is also the sweep that guarantees progress.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from relay.consumer import MOVE_CLICKS, PURGE_LINKS, Consumer, JobName
from relay.frontier import Frontier
from relay.progress import Progress
from relay.store.outbox import RECALLED, outbox_recall, outbox_work
from relay.store.pgqueuer import pgqueuer_enqueue
from relay.store.status import server_strain

QUICK, IDLE = 0.1, 0.25
"""Seconds between two looks: quick while there is work, backing off to idle when there is none."""

BACK_OFF = 1.2

RECALL = 1.0
"""Seconds between two looks for events that a clock, set back since, has given a time far ahead."""

RECALL_SHARE = 0.02
"""Share of the time that these looks may take: they read every event that waits for its next try."""


class Watcher:
    """Looks at the outbox on behalf of one relay; `waits` are the longest waits by attempts."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        consumer: Consumer,
        progress: Progress,
        waits: Sequence[float],
    ) -> None:
        self._pool = pool
        self._consumer = consumer
        self._progress = progress
        self._waits = waits
        self._next_recall = 0.0
        self._frontier = Frontier(monotonic)

    async def run(self) -> None:
        """Look again and again, for ever. Raises psycopg.Error when the database is lost."""
        pause = QUICK
        async with self._pool.connection() as connection:
            while True:
                await self._recall(connection)
                work = await outbox_work(connection, self._frontier.begin())
                self._progress.looked(due=work.events_due)
                if not work.events_due:
                    self._frontier.passed(work.place)
                # Our own mover goes on until nothing is due; while it does, no job is needed.
                if work.events_due and not self._consumer.moving:
                    await self._ask(connection, MOVE_CLICKS, queued=work.move_queued)
                if work.links_deleted and not self._consumer.purging:
                    await self._ask(connection, PURGE_LINKS, queued=work.purge_queued)
                busy = work.events_due or work.links_deleted
                pause = QUICK if busy else min(pause * BACK_OFF, IDLE)
                await asyncio.sleep(pause)

    async def _recall(self, connection: AsyncConnection) -> None:
        began = monotonic()
        if began < self._next_recall:
            return
        recalled = 0
        # Beyond the session's statement_timeout there are too many to be read, or the table is locked;
        # the work goes on.
        with suppress(psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            recalled = await outbox_recall(connection, self._waits)
        now = monotonic()
        # After as many as one statement takes there are more, and they are due: no share is kept.
        pause = 0.0 if recalled == RECALLED else max(RECALL, (now - began) / RECALL_SHARE)
        self._next_recall = now + pause

    async def _ask(self, connection: AsyncConnection, job: JobName, *, queued: bool) -> None:
        """Ask PgQueuer for a job; do it without PgQueuer when nobody can be notified of it."""
        try:
            if not queued:
                await pgqueuer_enqueue(connection, job)
        except psycopg.errors.ProgramLimitExceeded as error:
            await self._consumer.do_unasked(job, error)
            # Should whoever filled the queue be gone, this makes room in it.
            await server_strain(connection)
        else:
            self._consumer.wake(missed=queued)
