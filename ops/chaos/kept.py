"""A process that is started again whenever it ends, as systemd or a container engine would."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from tests.support.processes import ENDED_WITHIN, Process, alive

PAUSE = 0.1
"""Seconds between an end and the next start."""

LOOK = 0.01


class Kept:
    """Keeps one process running until `stop`; `process` is the one that runs, or ran last."""

    def __init__(self, name: str, start: Callable[[], Process]) -> None:
        self.name = name
        self._start = start
        self._wanted = True
        self.process = start()
        self.fallen: list[int] = []
        """The exit codes of those that ended by themselves."""
        self._keeping = asyncio.create_task(self._keep())

    def signal(self, number: int) -> None:
        """Send a signal to the process that runs; nothing when none does."""
        self.process.send(number)

    @property
    def running(self) -> bool:
        """Whether there is a process at this moment."""
        return self.process.code is None

    async def rest(self) -> None:
        """End it with SIGTERM and leave it down until `resume`."""
        self._wanted = False
        await self._end()
        await self._keeping

    def resume(self) -> None:
        """Start it again; nothing when it runs."""
        if not self._wanted:
            self._wanted = True
            self.process = self._start()
            self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> int | None:
        """End it for good; return the exit code, None when it had to be killed."""
        running = self.running
        self._wanted = False
        await self._end()
        await self._keeping
        # In its first moments, before it has said a word, Python itself dies of SIGTERM.
        unborn = self.process.code == -signal.SIGTERM and not self.process.stderr
        return self.process.code if running and not unborn else 0

    async def _end(self) -> None:
        self.process.send(signal.SIGCONT)
        self.process.send(signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + ENDED_WITHIN
        while self.running:
            if asyncio.get_running_loop().time() > deadline:
                await asyncio.to_thread(self.process.kill)
                for orphan in self.process.orphans:
                    if alive(orphan):
                        os.kill(orphan, signal.SIGKILL)
            await asyncio.sleep(LOOK)

    def _is_wanted(self) -> bool:
        return self._wanted

    async def _keep(self) -> None:
        while self._wanted:
            if self.running:
                await asyncio.sleep(LOOK)
                continue
            self.fallen.append(self.process.code or 0)
            await asyncio.sleep(PAUSE)
            # It may have been told to stop meanwhile.
            if self._is_wanted():
                self.process = self._start()
