"""The doors of the other workers: taken care of while one of them is dead, or frozen."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from aiohttp import web

LOOK = 0.05
"""Seconds between two looks: so long somebody may wait at the door of a dead worker."""

AT_ONCE = 64
"""Connections taken in at one look and door, at most: the neighbour may only be busy."""


class Neighbours(web.BaseSite):
    """Takes in who still waits at these doors at a look, until it is stopped.

    Mostly that is nobody: a worker takes in who comes to its own door at once.
    """

    def __init__(self, runner: web.BaseRunner, doors: Sequence[socket.socket]) -> None:
        super().__init__(runner)
        self._doors = doors
        self._looking: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return "neighbours"

    async def start(self) -> None:
        await super().start()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await super().stop()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        server = self._runner.server
        while server is not None:
            await asyncio.sleep(LOOK)
            for door in self._doors:
                for _ in range(AT_ONCE):
                    try:
                        waiting, _ = door.accept()
                    except OSError:  # nobody, or no descriptor left to take them with
                        break
                    waiting.setblocking(False)
                    await loop.connect_accepted_socket(server, waiting)
