"""The queue of notifications is full, since somebody who listens does not read."""

from __future__ import annotations

import psycopg

from ops.chaos.errors import ChaosError
from ops.chaos.fault import Fault
from ops.chaos.scene import Scene

FILL = "SELECT pg_notify('chaos', repeat('x', 7900) || n) FROM generate_series(1, 10) AS n"
# The number: what is told twice in a transaction is told once.

TRIES = 10_000


class QueueFull(Fault):
    """A listener sits in an open transaction until nobody can notify any more."""

    name = "queue of notifications full"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._listener: psycopg.AsyncConnection | None = None

    async def inject(self) -> None:
        self._listener = await self.scene.database.aconnect("everyclick-holder")
        for statement in (b"LISTEN chaos", b"BEGIN", b"SELECT 1"):
            await self._listener.execute(statement)
        async with await self.scene.database.aconnect("everyclick-chaos") as connection:
            for _ in range(TRIES):
                try:
                    await connection.execute(FILL.encode())
                except psycopg.errors.ProgramLimitExceeded:
                    return
        raise ChaosError("The queue of notifications does not become full.")

    async def heal(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
