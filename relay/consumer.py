"""PgQueuer at work: which jobs there are and what each does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from typing import Final, Literal, assert_never

import psycopg
from pgqueuer import PgQueuer
from pgqueuer.models import Job, Schedule
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from relay import chores
from relay.driver import PoolDriver
from relay.mover import Mover
from relay.progress import Progress
from service.contract.observations import DatabaseUnavailable, JobFailed, Observer
from service.contract.transience import is_stale, is_transient, needs_operator

JobName = Literal["move_clicks", "purge_links"]

MOVE_CLICKS: Final = "move_clicks"
PURGE_LINKS: Final = "purge_links"

HEARTBEAT: Final = timedelta(seconds=30)
"""After so long without a sign of life a job is given to another relay. Nothing waits for it:
the events' locks went with the dead relay's connection, and the watcher asks for a new job."""

SWEEP: Final = timedelta(seconds=1)
"""Longest wait for a notification: one that was lost delays a job by no more."""


HELD_UP = 0.25
"""Seconds between two tries while an error that needs an operator holds everything up."""


class Consumer:
    """Runs the jobs that PgQueuer hands to this relay."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        driver: PoolDriver,
        mover: Mover,
        observe: Observer,
        progress: Progress,
    ) -> None:
        self._pool = pool
        self._driver = driver
        self._mover = mover
        self._observe = observe
        self._progress = progress
        self._held_up_at = 0.0
        self._queue = PgQueuer(driver)
        self.moving = False
        self.purging = False
        self._unasked = False
        self._queue.entrypoint(MOVE_CLICKS, accepts_context=False)(self._move_clicks)
        self._queue.entrypoint(PURGE_LINKS, accepts_context=False)(self._purge_links)
        self._queue.schedule("make_partitions", "7 * * * *", accepts_context=False)(
            self._make_partitions
        )
        self._queue.schedule("prune_logs", "* * * * *", accepts_context=False)(self._prune_logs)

    async def run(self) -> None:
        """Take jobs until stopped. Raises when the database is lost."""
        await self._queue.run(
            dequeue_timeout=SWEEP,
            # One job at a time: its log line is then written at once, not after a tenth of a second.
            batch_size=1,
            heartbeat_timeout=HEARTBEAT,
        )

    def stop(self) -> None:
        """Take no more jobs and let the one in hand end after its batch; `run` then returns."""
        self._queue.shutdown.set()

    def wake(self, *, missed: bool) -> None:
        """Look for a job now, should no notification come to say that there is one.

        `missed`: it came already. Whoever had the job in hand just then may have died with it.
        """
        self._unasked = False
        self._driver.wake(missed=missed)

    async def do_unasked(self, job: JobName, reason: psycopg.Error) -> None:
        """Do a job that PgQueuer cannot be asked for, for the reason given."""
        if not self._unasked:
            self._unasked = True
            self._observe(DatabaseUnavailable(doing="notify", error=str(reason).strip()))
        match job:
            case "move_clicks":
                await self._move_clicks()
            case "purge_links":
                await self._purge_links()
            case _:
                assert_never(job)

    async def _move_clicks(self, _: Job | None = None) -> None:
        """Move batches until nothing is due, or until asked to stop."""
        if self.moving:
            # Another job of ours is at it and will not stop before the outbox is empty.
            return
        self.moving = True
        try:
            await self._do(MOVE_CLICKS, self._move)
        finally:
            self.moving = False

    async def _move(self, connection: AsyncConnection) -> None:
        while await self._batch(connection) and not self._queue.shutdown.is_set():
            pass

    async def _batch(self, connection: AsyncConnection) -> bool:
        try:
            more = await self._mover.move(connection)
            self._progress.succeeded()
            return more
        finally:
            self._progress.moved()

    async def _purge_links(self, _: Job | None = None) -> None:
        if self.purging:
            return
        self.purging = True
        try:
            await self._do(PURGE_LINKS, self._purge)
        finally:
            self.purging = False

    async def _purge(self, connection: AsyncConnection) -> None:
        await chores.purge_links(connection, self._observe, self._queue.shutdown)

    async def _make_partitions(self, _: Schedule) -> None:
        await self._do(
            "make_partitions", lambda connection: chores.make_partitions(connection, self._observe)
        )

    async def _prune_logs(self, _: Schedule) -> None:
        await self._do(
            "prune_logs", lambda connection: chores.prune_logs(connection, self._observe)
        )

    async def _do(self, job: str, work: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """Do the work on a connection; what goes wrong is reported here and nowhere else.

        Nothing is lost by it: events are as they were, and the watcher or the schedule asks again.
        """
        try:
            async with self._pool.connection() as connection:
                try:
                    await work(connection)
                except psycopg.Error as error:
                    if is_stale(error):
                        await connection.close()
                    raise
        except psycopg.Error as error:
            if is_transient(error) and not needs_operator(error):
                self._observe(DatabaseUnavailable(doing=job, error=str(error).strip()))
            else:
                await self._failed(job, error)
        except Exception as error:  # noqa: BLE001 - PgQueuer would log it in words of its own
            await self._failed(job, error)

    async def _failed(self, job: str, error: Exception) -> None:
        """Report the failure; wait a little when nothing was moved since the one before."""
        self._observe(JobFailed(job, error))
        before, self._held_up_at = self._held_up_at, monotonic()
        if self._progress.at < before:
            await asyncio.sleep(HELD_UP)
