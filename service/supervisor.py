"""Keeps child processes running: starts them again when they fall, replaces them one by one when
asked to, ends them together.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from service.child_process import Child, ChildProcess, Readiness
from service.contract.observations import (
    Observer,
    ReplacementFailed,
    WorkerExited,
    WorkerReplaced,
)
from service.contract.process import MISCONFIGURED, OK

__all__ = ["Child", "Supervisor"]

FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
"""Seconds before a fallen child is started again: doubling from the first to the longest."""

STEADY = 10.0
"""Seconds of life after which a fall counts as the first again."""

PATIENCE = 60.0
"""Seconds a replacement may take until it serves."""


class Supervisor:
    """Runs children until told to stop, or until one says that its configuration is wrong."""

    def __init__(self, children: Sequence[Child], observe: Observer, *, grace: float) -> None:
        self._children = children
        self._observe = observe
        self._grace = grace

    async def run(self, stop: asyncio.Event, again: asyncio.Event | None = None) -> int:
        """Return OK after a clean stop, else the exit code of the child that could not go on.

        Each child gets SIGTERM and `grace` seconds to end by itself, then SIGKILL. Should this
        process be killed, the children end too: each watches the pipe named by LIFELINE. Whenever
        `again` is set the children are replaced, one after the other.
        """
        ours, theirs = os.pipe()
        keepers = [
            _Keeper(child, self._observe, self._grace, stop, ours) for child in self._children
        ]
        try:
            # Unlike gather, a group that is cancelled ends when the last of its tasks has ended.
            async with asyncio.TaskGroup() as group:
                kept = [group.create_task(keeper.keep()) for keeper in keepers]
                if again is not None:
                    group.create_task(self._replace(keepers, stop, again))
            return next((code for task in kept if (code := task.result()) != OK), OK)
        finally:
            os.close(ours)
            os.close(theirs)

    async def _replace(
        self, keepers: Sequence[_Keeper], stop: asyncio.Event, again: asyncio.Event
    ) -> None:
        while not await _first(stop, again.wait()):
            again.clear()
            for keeper in keepers:
                # What the first could not do the others cannot either; all of them stay.
                if stop.is_set() or not await keeper.replace():
                    break


class _Keeper:
    """Keeps one child running."""

    def __init__(
        self, child: Child, observe: Observer, grace: float, stop: asyncio.Event, lifeline: int
    ) -> None:
        self._child = child
        self._observe = observe
        self._grace = grace
        self._stop = stop
        self._lifeline = lifeline
        self._running: ChildProcess | None = None
        self._replaced = asyncio.Event()
        self._changing = asyncio.Lock()

    async def keep(self) -> int:
        """Keep it running until told to stop; return OK, or MISCONFIGURED when the child is."""
        delay = FIRST_DELAY
        try:
            while not self._stop.is_set():
                async with self._changing:
                    self._replaced.clear()
                    running = self._running
                    if running is None:
                        running = self._running = await self._start()
                if running is None:
                    status = os.EX_OSERR
                else:
                    await _first(self._stop, asyncio.wait({running.ended}), self._replaced.wait())
                    if running is not self._running or not running.ended.done():
                        continue
                    self._running = None
                    status = running.ended.result()
                    if status == MISCONFIGURED:
                        self._stop.set()
                        return status
                    if asyncio.get_running_loop().time() - running.started > STEADY:
                        delay = FIRST_DELAY
                self._observe(WorkerExited(self._child.name, status, delay))
                await _first(self._stop, asyncio.sleep(delay), self._replaced.wait())
                delay = min(delay * 2, LONGEST_DELAY)
            if self._running is not None:
                await self._running.end(self._grace)
            return OK
        finally:
            if self._running is not None:
                await self._running.kill()

    async def replace(self) -> bool:
        """Start another process; once it serves it takes this one's place, which is then ended.

        False when it does not come to serve: the one at work goes on.
        """
        readiness = Readiness()
        try:
            successor = await self._start(readiness.theirs)
            if successor is None:
                self._observe(ReplacementFailed(self._child.name, os.EX_OSERR))
                return False
            try:
                serves = await self._comes_to_serve(readiness)
            except BaseException:
                await successor.kill()
                raise
        finally:
            readiness.close()
        former: ChildProcess | None = successor
        async with self._changing:
            # Told to stop, the keeper has seen to the end of the one it knew.
            if serves and not self._stop.is_set():
                former, self._running = self._running, successor
                self._replaced.set()
        if former is not None:
            await former.end(self._grace)
        if former is successor:
            if not self._stop.is_set():
                self._observe(ReplacementFailed(self._child.name, successor.ended.result()))
            return False
        taken = asyncio.get_running_loop().time() - successor.started
        self._observe(WorkerReplaced(self._child.name, taken))
        return True

    async def _start(self, ready: int | None = None) -> ChildProcess | None:
        """Start a process; None when the machine has none to give, or has lost the program.

        That may pass, and those that run need neither.
        """
        try:
            return await ChildProcess.start(self._child, self._lifeline, ready)
        except OSError:
            return None

    async def _comes_to_serve(self, readiness: Readiness) -> bool:
        serving = asyncio.create_task(readiness.serves())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await _first(self._stop, asyncio.wait({serving}))
            return serving.done() and serving.result()
        finally:
            serving.cancel()


async def _first(stop: asyncio.Event, *others: Coroutine[Any, Any, Any]) -> bool:
    """Wait for the first of them; true when it is time to stop."""
    waiting = [asyncio.ensure_future(each) for each in (stop.wait(), *others)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    return stop.is_set()
