"""Sessions and the server itself are ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import psycopg

from ops.chaos.cluster import Manner
from ops.chaos.fault import Fault
from ops.chaos.scenario import Side
from ops.chaos.scene import Scene

SESSIONS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND starts_with(application_name, %(application)s)"
    " ORDER BY pid"
)


async def sessions(scene: Scene, side: Side) -> list[int]:
    """The backends of one side, its listener and its pool included."""
    rows = await scene.execute(SESSIONS, {"application": f"everyclick-{side}"})
    return [int(str(row[0])) for row in rows]


class Terminated(Fault):
    """pg_terminate_backend, so many times a second, of one session of a side chosen by chance."""

    def __init__(self, scene: Scene, *, side: Side, rate: float) -> None:
        super().__init__(scene)
        self.side = side
        self.rate = rate
        self.name = f"{side} session terminated"
        self.terminated = 0
        self._going: asyncio.Task[None] | None = None

    @property
    def struck(self) -> int:
        return self.terminated

    async def inject(self) -> None:
        self._going = asyncio.create_task(self._go_on())

    async def heal(self) -> None:
        if self._going is not None:
            self._going.cancel()
            with suppress(asyncio.CancelledError):
                await self._going

    async def _go_on(self) -> None:
        while True:
            if pids := await sessions(self.scene, self.side):
                rows = await self.scene.execute(
                    "SELECT pg_terminate_backend(%(pid)s)", {"pid": self.scene.chance.choice(pids)}
                )
                self.terminated += rows == [(True,)]
            await asyncio.sleep(1 / self.rate)


class BackendKilled(Fault):
    """Kill -9 of one backend: Postgres ends all the others and recovers by itself."""

    def __init__(self, scene: Scene, *, side: Side) -> None:
        super().__init__(scene)
        self.side = side
        self.name = f"backend of the {side} killed"

    async def inject(self) -> None:
        if pids := await sessions(self.scene, self.side):
            self.scene.cluster.kill(self.scene.chance.choice(pids))

    async def heal(self) -> None:
        await asyncio.to_thread(self.scene.cluster.wait_ready)


class PostgresDown(Fault):
    """The whole server stops, and stays down until healed."""

    def __init__(self, scene: Scene, *, manner: Manner) -> None:
        super().__init__(scene)
        self.manner: Manner = manner
        self.name = f"Postgres down, {manner}"

    async def inject(self) -> None:
        await asyncio.to_thread(self.scene.cluster.stop, self.manner)

    async def heal(self) -> None:
        await asyncio.to_thread(self.scene.cluster.start)


class Cancelled(Fault):
    """pg_cancel_backend of whatever a side has under way, for as long as it is not healed."""

    def __init__(self, scene: Scene, *, side: Side) -> None:
        super().__init__(scene)
        self.side = side
        self.name = f"{side} statements cancelled"

    async def inject(self) -> None:
        for pid in await sessions(self.scene, self.side):
            with suppress(psycopg.Error):
                await self.scene.execute("SELECT pg_cancel_backend(%(pid)s)", {"pid": pid})


FAR = """
SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, %(far)s)
FROM pg_sequences WHERE schemaname = 'public'
"""


class SequencesFar(Fault):
    """Every sequence, PgQueuer's too, is about to pass what fits into 31 bits, then 32 …"""

    name = "sequences far ahead"

    async def inject(self) -> None:
        await self.scene.execute(FAR, {"far": 2 ** (31 + self.times) - 20})
