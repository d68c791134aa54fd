"""Keeps child processes running: starts them again when they fall, ends them together."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from service.contract.observations import Observer, WorkerExited
from service.contract.process import LIFELINE, MISCONFIGURED, OK

FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
"""Seconds before a fallen child is started again: doubling from the first to the longest."""

STEADY = 10.0
"""Seconds of life after which a fall counts as the first again."""


@dataclass(frozen=True, slots=True)
class Child:
    """A command to keep running, and what its environment has beyond ours."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Runs children until told to stop, or until one says that its configuration is wrong."""

    def __init__(self, children: Sequence[Child], observe: Observer, *, grace: float) -> None:
        self._children = children
        self._observe = observe
        self._grace = grace

    async def run(self, stop: asyncio.Event) -> int:
        """Return OK after a clean stop, else the exit code of the child that could not go on.

        Each child gets SIGTERM and `grace` seconds to end by itself, then SIGKILL. Should this
        process be killed, the children end too: each watches the pipe named by LIFELINE.
        """
        ours, theirs = os.pipe()
        try:
            # Unlike gather, a group that is cancelled ends when the last of its tasks has ended.
            async with asyncio.TaskGroup() as group:
                kept = [
                    group.create_task(self._keep(child, stop, lifeline=ours))
                    for child in self._children
                ]
            return next((code for task in kept if (code := task.result()) != OK), OK)
        finally:
            os.close(ours)
            os.close(theirs)

    async def _keep(self, child: Child, stop: asyncio.Event, *, lifeline: int) -> int:
        clock = asyncio.get_running_loop().time
        delay = FIRST_DELAY
        while not stop.is_set():
            started = clock()
            process = await asyncio.create_subprocess_exec(
                *child.argv,
                env={**os.environ, **child.env, LIFELINE: str(lifeline)},
                pass_fds=[lifeline],
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C in a terminal goes to its whole process group; it is ours to pass on.
                start_new_session=True,
            )
            if await self._watch(process, stop):
                return OK
            status = process.returncode or OK
            if status == MISCONFIGURED:
                stop.set()
                return status
            if clock() - started > STEADY:
                delay = FIRST_DELAY
            self._observe(WorkerExited(child.name, status, delay))
            await _sleep_unless(stop, delay)
            delay = min(delay * 2, LONGEST_DELAY)
        return OK

    async def _watch(self, process: asyncio.subprocess.Process, stop: asyncio.Event) -> bool:
        """Wait for the child's end; true when it was asked to end."""
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return False
            process.send_signal(signal.SIGTERM)
            await asyncio.wait({ended}, timeout=self._grace)
            if not ended.done():
                process.kill()
            await ended
            return True
        finally:
            asked.cancel()
            if process.returncode is None and not ended.done():
                process.kill()
                await _outlast(ended)


async def _outlast(ended: asyncio.Task[int]) -> None:
    """Wait for the end of a killed process, however often this task is cancelled meanwhile.

    Until it has ended it still counts as a user of the embedded Postgres, and whoever leaves
    before it leaves the server running.
    """
    while not ended.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({ended})


async def _sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
