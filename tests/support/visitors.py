"""Visitors who come at a constant rate whatever happens, and never ask twice.

What a careful HTTP client may do they do: after `Connection: close`, and when a connection was
closed between two requests, they take a new one. They do not repeat a request; each that gets no
complete answer, and each connection that is refused or reset, is a failure.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

LAST_ANSWERS = 10.0
"""Seconds after the last request until the missing answers are given up."""


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._asked: int | None = None
        self._last = False

    def ask(self, number: int) -> None:
        """Send the request of this number."""
        assert self._transport is not None
        self._asked = number
        self._transport.write(self._visitors.request(number))

    def hang_up(self) -> None:
        """Close the connection; it is not missed."""
        self._last = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        head, self._buffer = self._buffer.lower(), b""
        number, self._asked = self._asked, None
        self._last = b"\r\nconnection: close\r\n" in head
        self._visitors.answered(number, head[9:12], self, last=self._last)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._visitors.gone(self, self._asked, exc, expected=self._last)


class Visitors:
    """Asks for one path, from entering to leaving the context, in a thread of its own.

    With `connections` 0 each request has a connection of its own, which the visitor closes.
    """

    def __init__(self, url: str, *, rate: float, connections: int) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 0, parts.path
        self._rate = rate
        self._connections = connections
        self._free: deque[_Line] = deque()
        self._waiting: deque[int] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._visit()))
        self.sent = 0
        self.found: set[int] = set()
        """The numbers of the requests that were answered 302."""
        self.failures: list[str] = []
        self.told_to_close = 0
        self.closed_between = 0
        """Connections that were closed in order, without a word, between two requests."""

    def request(self, number: int) -> bytes:
        """The bytes of a request; its number is its user agent."""
        return (
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUser-Agent: {number}\r\n\r\n"
        ).encode()

    def answered(self, number: int | None, status: bytes, line: _Line, *, last: bool) -> None:
        """A complete answer came."""
        if number is None or status != b"302":
            self.failures.append(f"{number}: answered {status.decode()}")
        else:
            self.found.add(number)
        if not self._connections:
            line.hang_up()
        elif last:
            self.told_to_close += 1
            self._open()
        else:
            self._is_free(line)

    def gone(
        self, line: _Line, asked: int | None, error: Exception | None, *, expected: bool
    ) -> None:
        """A connection ended."""
        if asked is not None or error is not None:
            self.failures.append(f"{asked}: connection lost: {error!r}")
        if line in self._free:
            self._free.remove(line)
        if not expected:
            self.closed_between += 1
            self._open()

    def _is_free(self, line: _Line) -> None:
        if self._waiting:
            line.ask(self._waiting.popleft())
        else:
            self._free.append(line)

    def _open(self) -> None:
        opening = asyncio.get_running_loop().create_task(self._connect())
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                lambda: _Line(self), self._host, self._port
            )
        except OSError as error:
            self.failures.append(f"cannot connect: {error!r}")
        else:
            self._is_free(line)

    def _due(self, number: int) -> None:
        if self._free:
            self._free.popleft().ask(number)
            return
        self._waiting.append(number)
        if not self._connections:
            self._open()

    @property
    def _settled(self) -> bool:
        return len(self.found) + len(self.failures) >= self.sent

    async def _visit(self) -> None:
        clock = asyncio.get_running_loop().time
        for _ in range(self._connections):
            await self._connect()
        began = clock()
        while not self._ending.is_set():
            while began + self.sent / self._rate <= clock():
                self.sent += 1
                self._due(self.sent)
            await asyncio.sleep(max(began + self.sent / self._rate - clock(), 0))
        deadline = clock() + LAST_ANSWERS
        while not self._settled and clock() < deadline:  # noqa: ASYNC110 - a bound
            await asyncio.sleep(0.01)
        self._connections = 0
        for line in self._free:
            line.hang_up()
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()
