"""Long reads of clicks that overlap: as one lets its view go, the next one has had its own for long."""

from __future__ import annotations

import asyncio

import psycopg

from ops.chaos.errors import ChaosError
from ops.chaos.fault import Fault
from ops.chaos.result import Target
from ops.chaos.scene import Scene

NAME = "everyclick-analyst"

QUERIES = (
    "SELECT link_id, date_trunc('hour', occurred_at), count(*) FROM clicks GROUP BY 1, 2",
    "SELECT link_id, sum(clicks) FROM clicks_hourly GROUP BY link_id",
)

WAIT = "SELECT count(*) FROM outbox"

VIEWS = (
    "SELECT count(backend_xmin), coalesce(max(age(backend_xmin)), 0) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = %(name)s"
)

OFTEN = 0.25
"""Seconds from look to look."""

WAITING = 5.0
"""Seconds of traffic that may wait, at most."""

OLD = 1_000.0
"""Transactions since the oldest view from which there was something to withstand."""


class Analytics(Fault):
    """So many readers, evenly staggered, each of which reads clicks and rollups in one view, keeps it
    until its span is over, and begins again at once: there is no moment without an old view.
    """

    name = "overlapping analytics"

    def __init__(self, scene: Scene, *, readers: int, span: float) -> None:
        super().__init__(scene)
        self.readers, self.span = readers, span
        self._connections: list[psycopg.AsyncConnection] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting = 0
        self._oldest = 0

    async def inject(self) -> None:
        for number in range(self.readers):
            connection = await self.scene.database.aconnect(NAME)
            self._connections.append(connection)
            await _view(connection)
            first = self.span * (number + 1) / self.readers
            self._tasks.append(asyncio.create_task(self._read(connection, first)))
        self._tasks.append(asyncio.create_task(self._look()))

    async def heal(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        connections, self._connections = self._connections, []
        for connection in connections:
            await connection.close()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def targets(self) -> list[Target]:
        if not self.times:
            return []
        bound = WAITING * self.scene.scenario.rate
        return [
            Target("events that wait for the relay, at most", self._waiting, bound),
            Target("transactions since the oldest view", self._oldest, OLD, least=True),
        ]

    async def _read(self, connection: psycopg.AsyncConnection, first: float) -> None:
        """Keep the view that the connection has for so long, then one after another."""
        await asyncio.sleep(first)
        while True:
            await connection.execute("ROLLBACK")
            await _view(connection)
            await asyncio.sleep(self.span)

    async def _look(self) -> None:
        """Note the most that waits. Raises ChaosError when nobody keeps a view: it would show nothing."""
        while True:
            ((waiting,),) = await self.scene.execute(WAIT)
            self._waiting = max(self._waiting, int(str(waiting)))
            ((views, age),) = await self.scene.execute(VIEWS, {"name": NAME})
            self._oldest = max(self._oldest, int(str(age)))
            if not views:
                raise ChaosError("For a moment nobody keeps a view of clicks.")
            await asyncio.sleep(OFTEN)


async def _view(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    for query in QUERIES:
        await connection.execute(query.encode())
