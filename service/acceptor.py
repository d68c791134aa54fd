"""Accepts connections from listeners that several workers share, and spreads them evenly."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web

AT_ONCE = 4
"""Connections accepted in a row, at most."""

REST = 0.001
"""Seconds for which the rest of a burst is left to the other workers."""

PAUSE = 0.1
"""Seconds until the next attempt after an error, such as a lack of file descriptors."""


class Acceptor(web.BaseSite):
    """Accepts connections for a runner until it is stopped.

    On Linux a worker that has accepted moves to the end of the listener's wait queue, so that idle
    workers are woken in turn; left alone, the kernel would always wake the same one first. Only an
    exclusive entry is put at the end, and the event loop makes none: hence the epoll of our own.
    Busy, frozen and dead workers hold nothing up, since each connection wakes all that are idle.
    Of a burst a worker takes a few and then rests, so that the others get a share.
    """

    def __init__(self, runner: web.BaseRunner, listeners: Sequence[socket.socket]) -> None:
        super().__init__(runner)
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._queue = select.epoll() if sys.platform == "linux" else None
        self._opening: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        return "acceptor"

    async def start(self) -> None:
        await super().start()
        if self._queue is not None:
            for descriptor in self._listeners:
                self._queue.register(descriptor, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._resume()

    async def stop(self) -> None:
        """Accept what waits, then close the listeners. Returns once all accepted are connected."""
        self._remove_readers()
        for listener in self._listeners.values():
            while self._accept(listener):
                pass
        if self._resuming is not None:
            self._resuming.cancel()
        if self._queue is not None:
            self._queue.close()
        for listener in self._listeners.values():
            listener.close()
        if self._opening:
            await asyncio.wait(self._opening)
        await super().stop()

    def _resume(self) -> None:
        self._resuming = None
        loop = asyncio.get_running_loop()
        if self._queue is not None:
            loop.add_reader(self._queue.fileno(), self._accept_in_turn, self._queue)
        else:
            for descriptor, listener in self._listeners.items():
                loop.add_reader(descriptor, self._accept, listener)

    def _pause(self, seconds: float) -> None:
        if self._resuming is None:
            self._remove_readers()
            self._resuming = asyncio.get_running_loop().call_later(seconds, self._resume)

    def _remove_readers(self) -> None:
        loop = asyncio.get_running_loop()
        for descriptor in self._listeners if self._queue is None else (self._queue.fileno(),):
            loop.remove_reader(descriptor)

    def _accept_in_turn(self, queue: select.epoll) -> None:
        for descriptor, _ in queue.poll(0):
            accepted = self._accept(self._listeners[descriptor])
            if accepted:
                queue.unregister(descriptor)
                queue.register(descriptor, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            if accepted == AT_ONCE:
                self._pause(REST)

    def _accept(self, listener: socket.socket) -> int:
        """Accept what waits, AT_ONCE at most; return how many."""
        for number in range(AT_ONCE):
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return number
            except OSError:
                self._pause(PAUSE)
                return number
            connection.setblocking(False)
            opening = asyncio.create_task(self._open(connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        return AT_ONCE

    async def _open(self, connection: socket.socket) -> None:
        server = self._runner.server
        assert server is not None  # noqa: S101 - a site is made after setup
        with suppress(OSError):  # the client has gone
            await asyncio.get_running_loop().connect_accepted_socket(server, connection)
