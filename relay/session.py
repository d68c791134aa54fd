"""One stretch of work on one set of connections: from connecting to losing them, or to the stop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from weakref import WeakSet

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from relay import chores
from relay.consumer import MOVE_CLICKS, PURGE_LINKS, Consumer
from relay.driver import PoolDriver
from relay.mover import Mover
from relay.progress import Progress
from relay.store.outbox import outbox_backlog
from relay.store.pgqueuer import pgqueuer_discard, pgqueuer_schedules_recall
from relay.store.relays import Relay, relay_beat
from relay.store.status import server_strain
from relay.watcher import Watcher
from service.contract.bounded import BoundedConnection
from service.contract.observations import (
    BacklogMeasured,
    Observer,
    ServerMeasured,
)
from service.contract.pipeline import BEAT_SECONDS, pipeline_state
from service.contract.postgres import Database
from service.contract.session import LIVELY
from service.contract.session import Session as Settings
from service.contract.transience import lost, observation

APPLICATION = "everyclick-relay"
LISTENER = "everyclick-relay-listener"

SESSION: Settings = {
    **LIVELY,
    # An event that hangs is ended here, and found by ever smaller batches. A batch takes well below a
    # second otherwise; waiting for a lock is nobody's fault and told apart by its shorter bound.
    "statement_timeout": "5s",
    "lock_timeout": "3s",
    # What a killed relay was at ends with it, not with its statement.
    "client_connection_check_interval": "500ms",
    # Plans are made for what the statistics say, and may be kept: those of a quiet hour, when the
    # outbox is nearly empty and best read from end to end. So would a burst be, by every batch.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
"""For what moves events."""

PATIENCE = 6.5
"""Seconds to wait for any answer: a little more than the server gives a statement. With what a new
session takes, clicks are counted again within 10 s of a connection's silent end."""

CONNECTIONS = 5
"""Per relay: the watcher's, the mover's, the purge's, PgQueuer's, and one for chores."""

METER = 5.0
"""Seconds between two measurements of the backlog, at least."""

METER_SHARE = 0.05
"""Share of the time that measuring may take: counting a large backlog is dear."""


class Session:
    """Runs the consumer, its listener and its watcher together: when one falls, all are ended."""

    def __init__(
        self,
        database: Database,
        mover: Mover,
        observe: Observer,
        *,
        shutdown_timeout: float,
        progress: Progress | None = None,
    ) -> None:
        self._database = database
        self._mover = mover
        self._observe = observe
        self._shutdown_timeout = shutdown_timeout
        self._progress = progress or Progress(monotonic)
        self._relay = Relay()
        self._distrusts = False
        self._connections: WeakSet[BoundedConnection] = WeakSet()

    def distrust(self) -> None:
        """Before the next work is done, discard jobs that are none of ours: one may be to blame."""
        self._distrusts = True

    async def run(self, stop: asyncio.Event) -> bool:
        """Work until `stop`; true when the batch in hand could be finished in time.

        Raises psycopg.Error when the database is lost.
        """
        pool = self._database.pool(
            APPLICATION,
            size=CONNECTIONS,
            waiting=64,
            session=SESSION,
            patience=PATIENCE,
            made=self._connections,
        )
        await pool.open(wait=False)
        try:
            async with await self._database.aconnect(
                LISTENER, LIVELY, patience=PATIENCE
            ) as listener:
                async with pool.connection() as connection:
                    await chores.make_partitions(connection, self._observe)
                    if self._distrusts:
                        # Not while nobody can be notified of it: then no job is needed, nor read.
                        with suppress(psycopg.errors.ProgramLimitExceeded):
                            await pgqueuer_discard(connection, (MOVE_CLICKS, PURGE_LINKS))
                            self._distrusts = False
                return await self._work(pool, listener, stop)
        finally:
            self._progress.disconnected()
            await pool.close(timeout=0.5)

    async def _work(
        self, pool: AsyncConnectionPool, listener: AsyncConnection, stop: asyncio.Event
    ) -> bool:
        driver = PoolDriver(pool, listener)
        consumer = Consumer(pool, driver, self._mover, self._observe, self._progress)
        working = asyncio.create_task(consumer.run())
        tasks = {
            working,
            asyncio.create_task(driver.listen()),
            asyncio.create_task(Watcher(pool, consumer, self._progress, self._mover.waits).run()),
            asyncio.create_task(self._meter(pool)),
            asyncio.create_task(self._live(pool)),
        }
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            if not stop.is_set():
                raise psycopg.OperationalError("PgQueuer ended although nobody asked it to")
            consumer.stop()
            done, _ = await asyncio.wait({working}, timeout=self._shutdown_timeout)
            with suppress(psycopg.Error, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._beat(pool, stopped=True)
            return bool(done)
        finally:
            if not stop.is_set():
                # The database is lost. PgQueuer waits for its jobs and its queries to end, each of
                # which would wait for an answer as long as PATIENCE. On the server too: a COMMIT that
                # waits for a standby would keep its backend.
                for connection in list(self._connections):
                    connection.end()
                await pool.close(timeout=0.5)
            # The listener's connection cannot be closed while somebody listens on it.
            stopped.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, pool: AsyncConnectionPool) -> None:
        """Report every few seconds that this relay lives."""
        while True:
            try:
                await self._beat(pool)
            except psycopg.Error as error:
                if lost(error):
                    raise
                # A grant that was left out, for example, is no reason to stop.
                self._observe(observation("heartbeat", error))
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self, pool: AsyncConnectionPool, *, stopped: bool = False) -> None:
        async with pool.connection() as connection:
            idle = monotonic() - self._progress.at
            await relay_beat(connection, self._relay, idle, stopped=stopped)

    async def _meter(self, pool: AsyncConnectionPool) -> None:
        while True:
            began = monotonic()
            try:
                async with pool.connection() as connection:
                    await pgqueuer_schedules_recall(connection)
                    self._observe(await pipeline_state(connection))
                    strain = await server_strain(connection)
                    self._observe(ServerMeasured(strain.held_back, strain.notifications))
                    backlog = await outbox_backlog(connection, self._mover.waits)
            except psycopg.Error as error:
                if lost(error):
                    raise
                # Too much to be counted in time, or no right to: the work goes on.
                self._observe(observation("measuring", error))
            else:
                self._observe(BacklogMeasured(backlog.due, backlog.deferred))
            await asyncio.sleep(max(METER, (monotonic() - began) / METER_SHARE))
