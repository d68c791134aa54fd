"""The connections that clients hold, each with a deadline: nobody keeps one by being slow.

aiohttp has none for a request that is not complete, nor for an answer that is not read. One look a
second at all connections costs less than a timer for each request.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage

from service.contract.observations import (
    ConnectionsCut,
    CutReason,
    Observer,
    RequestFailed,
    RequestServed,
)
from service.errors import BadRequest, EveryclickError, TooSlow, Unavailable
from service.problems import OUR_FAULT, answer
from service.request_ids import new_request_id

SECONDS = 10.0
"""From a request's first byte, or the connection's beginning, to its last header; also the time in
which nothing of an answer is taken."""

LOOK = 1.0
"""Seconds between two looks, and so what SECONDS may be exceeded by."""

MOST = 10_000
"""Connections per process; fewer when it may not have as many descriptors."""

SPARE = 64
"""Descriptors kept free of clients: for the database, the listeners, the log."""

MALFORMED = "malformed"
"""The route under which requests are reported that are no HTTP."""


class Line(web.RequestHandler):
    """One connection."""

    __slots__ = ("_heard", "_lines", "_marked", "_since", "_stuck", "_wire")

    def __init__(self, lines: Lines, **given: Any) -> None:
        super().__init__(lines, **given)
        self._lines = lines
        self._wire: asyncio.Transport | None = None
        self._heard = False
        self._marked = 0
        self._since = self._loop.time()
        self._stuck: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A server's is one, though uvloop's is no subclass.
        wire = cast("asyncio.Transport", transport)
        if self._lines.is_full:
            self._force_close = True
            self._lines.turn_away(wire)
            return
        self._wire = wire
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        web.RequestHandler.data_received(self, data)  # super() takes longer, once per request
        messages = self._messages
        if messages and getattr(messages[-1][0], "upgrade", False):
            # aiohttp's parser loses what came behind it in the same piece: so that nobody waits for
            # an answer to that, this one says that it is the last.
            self._end_with(messages)
        waiter = self._waiter
        if waiter is not None and waiter.done():
            return  # a whole request, as nearly always: this is all that the deadline costs it
        self._heard = True
        if waiter is not None and self._marked != self._request_count:
            self._marked = self._request_count
            self._since = self._loop.time()

    def eof_received(self) -> bool | None:  # type: ignore[override] # asyncio's own signature
        """Answer what was asked by a client that has said all it will, and then close.

        aiohttp would close at once: the click is recorded and nobody is led anywhere.
        """
        waiter = self._waiter
        if not self._request_count or (waiter is not None and not waiter.done()):
            return None  # nothing whole was asked
        messages, request = self._messages, self._current_request
        body = messages[-1][1] if messages else request.content if request else None
        if body is not None and not body.is_eof():
            body.set_exception(ConnectionResetError("the body will never be whole"))
        if messages:
            self._end_with(messages)
        else:
            self._close = True  # once what is in hand is answered
        return True

    @staticmethod
    def _end_with(messages: deque[Any]) -> None:
        """Let the last of the requests that wait be the connection's last."""
        message, body = messages[-1]
        if isinstance(message, RawRequestMessage):  # what is no HTTP ends it anyway
            messages[-1] = (message._replace(should_close=True), body)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck = None

    def cut_if_late(self, now: float) -> CutReason | None:
        """End the connection when its time is over, and return why."""
        wire = self._wire
        if wire is None:
            return None
        if self._stuck is None and wire.is_closing():
            self._stuck = now
        if self._stuck is not None:
            if now - self._stuck < SECONDS:
                return None
            wire.abort()
            return "unread"
        waiter = self._waiter
        waits = waiter is not None and not waiter.done() and self._marked == self._request_count
        if not waits or now - self._since < SECONDS:
            return None
        if self._heard:
            wire.write(self._lines.told_too_slow)
        self.force_close()
        return "slow"

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, in our words: aiohttp's repeat it, and tell its version."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        error: EveryclickError
        name = new_request_id()
        if status < 500:
            error = BadRequest("It cannot be read as HTTP/1.1.")
            self._lines.observe(RequestServed("other", MALFORMED, error.status, 0.0, name))
        else:
            error = EveryclickError(OUR_FAULT)
            failure = exc or RuntimeError(message)
            self._lines.observe(RequestFailed("other", MALFORMED, failure, name))
        response = answer(error, name)
        response.headers.update(self._lines.headers)
        response.force_close()
        return response


class Lines(web.Server):
    """All of a process's connections."""

    def __init__(
        self, *given: Any, headers: Mapping[str, str], observe: Observer, **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self._named = {name: named[name] for name in named if name != "request_factory"}
        self.headers = headers
        self.observe = observe
        self.told_too_slow = _whole(TooSlow("The request did not arrive in time."), headers)
        self._told_full = _whole(Unavailable("Too many connections; try again."), headers)
        self._most = most()
        self._turned_away = 0

    def __call__(self) -> Line:
        return Line(self, loop=asyncio.get_running_loop(), **self._named)

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as may be."""
        return len(self._connections) >= self._most

    def turn_away(self, transport: asyncio.Transport) -> None:
        """Tell a client that there is no room, and hang up."""
        self._turned_away += 1
        transport.write(self._told_full)
        transport.close()

    def look(self, now: float) -> None:
        """End the connections whose time is over; one report for each reason."""
        cut: Counter[CutReason] = Counter()
        for line in self._held():
            if reason := line.cut_if_late(now):
                cut[reason] += 1
        if self._turned_away:
            cut["full"] = self._turned_away
            self._turned_away = 0
        for reason, number in cut.items():
            self.observe(ConnectionsCut(reason, number))

    async def watch(self) -> None:
        """Look once a second, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK)
            self.look(clock())

    def _held(self) -> list[Line]:
        return [line for line in self.connections if isinstance(line, Line)]


def most() -> int:
    """Return how many connections a process may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST
    return min(MOST, max(descriptors - SPARE, 1))


def _whole(error: EveryclickError, headers: Mapping[str, str]) -> bytes:
    """Return the error as the last response of a connection."""
    response = answer(error)
    told = {**headers, **response.headers, "Connection": "close"}
    body = response.body
    assert isinstance(body, bytes)  # noqa: S101 - a problem document is
    told["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {response.status} {response.reason}\r\n{lines}\r\n".encode() + body
