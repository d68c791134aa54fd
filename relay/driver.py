"""PgQueuer's Driver port over a pool for queries and one connection that only listens.

PgQueuer's own psycopg driver does both on one connection, and each query then waits up to a
second for the listener to let go of it.

Behind a pooler nothing listens: in transaction mode LISTEN would stay with whichever server
connection it came to. What this process tells PgQueuer it then tells it itself.
"""

from __future__ import annotations

import asyncio
from typing import Self

from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.models import TableChangedEvent, utc_now
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver, NotifyCallback
from psycopg import AsyncConnection, AsyncRawCursor, sql
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from service.contract.bounded import answering_within
from service.contract.pooler import behind_pooler
from service.contract.session import session_alive

HEARTBEAT = 0.5
"""Seconds without a notification after which the listener's server is asked whether it is there."""

ALIVE_SECONDS = 1.5
"""Seconds the server has for that answer. A pooler may have no server connection free for so long:
behind one the connection's own bound holds."""


class PoolDriver(Driver):
    """Queries go through `pool`, notifications arrive on `listener`; both stay the caller's."""

    def __init__(self, pool: AsyncConnectionPool, listener: AsyncConnection) -> None:
        self._pool = pool
        self._listener = listener
        self._deaf = behind_pooler(listener)
        self._callbacks: dict[str, list[NotifyCallback]] = {}
        self._listening = asyncio.Event()
        self._shutdown = asyncio.Event()
        self._tasks = TaskManager()

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return self._tasks

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        async with self._pool.connection() as connection:
            cursor = AsyncRawCursor(connection, row_factory=dict_row)
            await cursor.execute(query, args or None)
            return await cursor.fetchall()

    async def execute(self, query: str, *args: object) -> str:
        async with self._pool.connection() as connection:
            cursor = AsyncRawCursor(connection)
            await cursor.execute(query, args or None)
            return cursor.statusmessage or ""

    async def notify(self, channel: str, payload: str) -> None:
        await self.execute("SELECT pg_notify($1, $2)", channel, payload)
        if self._deaf:
            self._tell(channel, payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        if channel not in self._callbacks and not self._deaf:
            await self._listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self._callbacks.setdefault(channel, []).append(callback)
        self._listening.set()

    async def listen(self) -> None:
        """Hand notifications to their callbacks for ever. Raises psycopg.OperationalError when
        the connection is lost: from then on nothing would wake PgQueuer.
        """
        # LISTEN has to get its turn on the connection: wait for it before notifies() holds it.
        await self._listening.wait()
        while True:
            async for note in self._listener.notifies(timeout=HEARTBEAT):
                self._tell(note.channel, note.payload)
            # Silence may be the server's or the network's: only an answer tells.
            if self._deaf:
                await session_alive(self._listener)
            else:
                with answering_within(self._listener, ALIVE_SECONDS):
                    await session_alive(self._listener)

    def wake(self, *, missed: bool) -> None:
        """Say what the notification of a new job says, where none arrives or one was missed."""
        if self._deaf or missed:
            for channel in self._callbacks:
                self._tell(channel, _new_job(channel))

    def _tell(self, channel: str, payload: str) -> None:
        for callback in self._callbacks.get(channel, []):
            callback(payload)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._shutdown.set()


def _new_job(channel: str) -> str:
    return TableChangedEvent(
        channel=Channel(channel),
        sent_at=utc_now(),
        type="table_changed_event",
        operation="insert",
        table="pgqueuer",
    ).model_dump_json()
