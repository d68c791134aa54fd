"""One child process at work: how it is started, how it says that it serves, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from service.contract.announcement import NOTIFY_SOCKET
from service.contract.process import LIFELINE

READY = "EVERYCLICK_READY"
"""Names the descriptor that a child writes to once it serves, when somebody waits for that."""


@dataclass(frozen=True, slots=True)
class Child:
    """A command to keep running, what its environment has beyond ours, and what it inherits."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    descriptors: Sequence[int] = ()


class ChildProcess:
    """A child that has been started. Whoever has it sees to its end: `end` or `kill`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.started = asyncio.get_running_loop().time()
        self.ended = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, child: Child, lifeline: int, ready: int | None = None) -> ChildProcess:
        """Start the child; it ends when the other end of `lifeline` does."""
        env = {**os.environ, **child.env, LIFELINE: str(lifeline)}
        if NOTIFY_SOCKET not in child.env:
            env.pop(NOTIFY_SOCKET, None)  # systemd is told by its own child, the supervisor
        inherited = [*child.descriptors, lifeline]
        if ready is not None:
            env[READY] = str(ready)
            inherited.append(ready)
        return cls(
            await asyncio.create_subprocess_exec(
                *child.argv,
                env=env,
                pass_fds=inherited,
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C in a terminal goes to its whole process group; it is ours to pass on.
                start_new_session=True,
            )
        )

    async def end(self, grace: float) -> None:
        """Ask it to end, and kill it when it has not after `grace` seconds."""
        self._send(signal.SIGTERM)
        try:
            await asyncio.wait({self.ended}, timeout=grace)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """Return once it has ended, however often this task is cancelled meanwhile.

        Until then it still counts as a user of the embedded Postgres, and whoever leaves before
        it leaves the server running.
        """
        self._send(signal.SIGKILL)
        while not self.ended.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({self.ended})

    def _send(self, number: signal.Signals) -> None:
        # Not by the process object: asyncio's first looks whether it has ended, and so takes its
        # status away from whoever waits for it.
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


class Readiness:
    """A pipe on which a child is to say that it serves."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()
        self._open = True

    async def serves(self) -> bool:
        """Wait for its word; false when it ended without one. Call it once it has been started."""
        self._hand_over()
        loop = asyncio.get_running_loop()
        said: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._ours, said.set_result, None)
        try:
            await said
        finally:
            loop.remove_reader(self._ours)
        return os.read(self._ours, 1) != b""

    def close(self) -> None:
        """Let go of both ends."""
        self._hand_over()
        os.close(self._ours)

    def _hand_over(self) -> None:
        if self._open:
            os.close(self.theirs)
            self._open = False
