"""The machine under the service: memory, descriptors, the clock, and clients that dawdle."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ops.chaos.errors import Missing
from ops.chaos.fault import Fault
from ops.chaos.scene import Scene


class MemoryCap(Fault):
    """RLIMIT_AS: the service may map so many MiB more than it has when the cap is set."""

    name = "memory capped"

    def __init__(self, scene: Scene, *, more: int) -> None:
        super().__init__(scene)
        self.more = more * 2**20

    async def inject(self) -> None:
        pid = self.scene.services[0].process.pid
        _limit(pid, resource.RLIMIT_AS, _mapped(pid) + self.more)

    async def heal(self) -> None:
        _limit(self.scene.services[0].process.pid, resource.RLIMIT_AS, resource.RLIM_INFINITY)


class Descriptors(Fault):
    """The service may open few files, and more clients connect than that."""

    name = "descriptors exhausted"

    def __init__(self, scene: Scene, *, limit: int, clients: int) -> None:
        super().__init__(scene)
        self.limit, self.clients = limit, clients
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self._open: list[socket.socket] = []

    async def inject(self) -> None:
        pid = self.scene.services[0].process.pid
        self._before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (self.limit, self._before[1]))
        self._open = await _connected(self.scene, self.clients)

    async def heal(self) -> None:
        for each in self._open:
            each.close()
        with suppress(ProcessLookupError):
            resource.prlimit(
                self.scene.services[0].process.pid, resource.RLIMIT_NOFILE, self._before
            )


class SlowClients(Fault):
    """Clients that send a byte of their headers each second, and some that send none at all."""

    name = "clients that dawdle"

    def __init__(self, scene: Scene, *, clients: int) -> None:
        super().__init__(scene)
        self.clients = clients
        self._open: list[socket.socket] = []
        self._dawdling: asyncio.Task[None] | None = None

    async def inject(self) -> None:
        self._open = await _connected(self.scene, self.clients)
        self._dawdling = asyncio.create_task(self._dawdle())

    async def heal(self) -> None:
        if self._dawdling is not None:
            self._dawdling.cancel()
            with suppress(asyncio.CancelledError):
                await self._dawdling
        for each in self._open:
            each.close()

    async def _dawdle(self) -> None:
        head = b"GET /live0 HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 1000
        for at in range(len(head)):
            for each in self._open[::2]:
                with suppress(OSError):
                    each.send(head[at : at + 1])
            await asyncio.sleep(1.0)


class ClockJump(Fault):
    """The service's and the relay's clock jumps, forward or back, and back again when healed."""

    name = "clock jumps"

    def __init__(self, scene: Scene, *, seconds: float) -> None:
        super().__init__(scene)
        self.seconds = seconds

    @property
    def offset(self) -> Path:
        """Read by the processes' sitecustomize each time they ask for the time."""
        return self.scene.directory / "offset"

    async def prepare(self) -> None:
        self.offset.write_text("0")

    async def inject(self) -> None:
        self._set(self.scene.chance.choice((1, -1)) * self.seconds)

    async def heal(self) -> None:
        self._set(0)

    def _set(self, seconds: float) -> None:
        new = self.offset.with_suffix(".new")
        new.write_text(f"{seconds:g}")
        new.replace(self.offset)


class Starved(Fault):
    """Processes that compute without end take the cores; ours are nice to them, where that may end."""

    name = "cores taken by others"

    def __init__(self, scene: Scene, *, loops: int) -> None:
        super().__init__(scene)
        self.loops = loops
        self._busy: list[subprocess.Popen[bytes]] = []

    async def inject(self) -> None:
        self._nice(10)
        self._busy = await asyncio.to_thread(self._compute)

    async def heal(self) -> None:
        for each in self._busy:
            each.kill()
            each.wait()
        self._nice(0)

    def _compute(self) -> list[subprocess.Popen[bytes]]:
        endless = [sys.executable, "-c", "while True: pass"]
        return [subprocess.Popen(endless) for _ in range(self.loops)]

    def _nice(self, niceness: int) -> None:
        if os.geteuid() != 0:
            return
        for kept in (*self.scene.services, *self.scene.relays):
            # Each thread has a niceness of its own.
            for thread in Path(f"/proc/{kept.process.pid}/task").glob("*"):
                with suppress(ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)


async def _connected(scene: Scene, number: int) -> list[socket.socket]:
    """Connect so many times; who is not let in any more is not waited for."""
    address = urlsplit(scene.url)
    found = []
    for _ in range(number):
        each = socket.socket()
        each.setblocking(False)
        with suppress(BlockingIOError, OSError):
            each.connect((address.hostname, address.port))
        found.append(each)
    await asyncio.sleep(0.1)
    return found


def _mapped(pid: int) -> int:
    """Return the bytes a process has mapped. Raises Missing without a /proc."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[0]
    except OSError as error:
        raise Missing("a /proc, to see how much memory a process has") from error
    return int(pages) * resource.getpagesize()


def _limit(pid: int, which: int, soft: int) -> None:
    with suppress(ProcessLookupError):
        resource.prlimit(pid, which, (soft, resource.RLIM_INFINITY))
