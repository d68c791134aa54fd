"""Clients that ask again as soon as they are answered, and count what fails by kind.

They behave as careful HTTP clients do: after `Connection: close`, and after a connection that was
closed between two requests, they open a new one. A request is never repeated. Refused connections
are counted apart: between a stop and the next start that is the correct answer.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

try:
    from uvloop import new_event_loop as _loop_factory
except ImportError:  # not available on Windows
    from asyncio import new_event_loop as _loop_factory  # type: ignore[assignment]

PAUSE = 0.02
"""Seconds until a refused client tries again; also the longest pause between two requests."""

LAST_ANSWERS = 10.0
"""Seconds to wait for the answers under way when the clients are stopped."""


class _Client(asyncio.Protocol):
    """One client: one connection and one request at a time."""

    def __init__(self, loop: ClosedLoop, *, kept: bool) -> None:
        self._loop = loop
        self._kept = kept
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._asked = False
        self._leaves = False

    async def run(self) -> None:
        """Connect; from then on each event causes the next."""
        running = asyncio.get_running_loop()
        while not self._loop.ending.is_set():
            try:
                await running.create_connection(lambda: self, *self._loop.address)
            except ConnectionRefusedError:
                self._loop.refused += 1
            except OSError as error:
                self._loop.failures[f"connecting: {type(error).__name__}"] += 1
            else:
                return
            await asyncio.sleep(PAUSE)

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._transport is not None

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer."""
        return self._asked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._buffer, self._leaves = b"", False
        self._ask()

    def _ask(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._loop.ending.is_set():
            self.leave()
            return
        self._asked = True
        self._loop.sent += 1
        self._transport.write(self._loop.request)

    def leave(self) -> None:
        """Close the connection."""
        self._leaves = True
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        head, self._buffer = self._buffer.lower(), b""
        self._asked = False
        if head[9:12] == b"302":
            self._loop.found += 1
        else:
            self._loop.failures[f"answered {head[9:12].decode()}"] += 1
        if not self._kept or b"\r\nconnection: close\r\n" in head:
            self.leave()
        else:
            asyncio.get_running_loop().call_later(random.uniform(0, PAUSE), self._ask)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        kind = "fresh" if not self._kept else "kept"
        if self._asked:
            how = "closed without an answer" if exc is None else type(exc).__name__
            self._loop.failures[f"{kind}: {'incomplete: ' if self._buffer else ''}{how}"] += 1
        elif exc is not None and not self._leaves:
            self._loop.failures[f"{kind}, idle: {type(exc).__name__}"] += 1
        self._asked = False
        self._loop.start(self)


class ClosedLoop:
    """Runs `kept` and `fresh` clients in a thread, from entering to leaving the context.

    A fresh client opens a connection for each request.
    """

    def __init__(self, url: str, *, kept: int, fresh: int) -> None:
        parts = urlsplit(url)
        self.address = parts.hostname or "", parts.port or 0
        self.request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.hostname}\r\n\r\n".encode()
        self.ending = threading.Event()
        self.sent = 0
        self.found = 0
        """Requests that were answered 302."""
        self.refused = 0
        self.failures: Counter[str] = Counter()
        self._clients = [
            *(_Client(self, kept=True) for _ in range(kept)),
            *(_Client(self, kept=False) for _ in range(fresh)),
        ]
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._main)

    def start(self, client: _Client) -> None:
        """Let the client open a connection."""
        if not self.ending.is_set():
            task = asyncio.get_running_loop().create_task(client.run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        for client in self._clients:
            self.start(client)
        while not self.ending.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(PAUSE)
        deadline = asyncio.get_running_loop().time() + LAST_ANSWERS
        while any(client.connected for client in self._clients):
            late = asyncio.get_running_loop().time() > deadline
            for client in self._clients:
                if late or not client.busy:
                    client.leave()
            await asyncio.sleep(PAUSE)
        self.failures += Counter()  # drops kinds that are 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ending.set()
        self._thread.join()
