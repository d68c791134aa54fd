"""One keep-alive connection of the client: it knows a complete response from a part of one."""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *\d+\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


class Answer(NamedTuple):
    """What the oracle needs to know of a complete response."""

    status: int
    retry_after: bool


class Connection(asyncio.Protocol):
    """Sends one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[Answer] | None = None
        self._body = True

    @property
    def lost(self) -> bool:
        """Whether no further request can be sent."""
        return self._transport is None or self._transport.is_closing()

    async def ask(self, request: bytes, *, body: bool) -> Answer:
        """Send a request; return the complete response. Raises ConnectionError.

        `body` is false for HEAD, whose response tells a length that does not come.
        """
        if self._transport is None:
            raise ConnectionResetError
        self._body = body
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close at once: an answer that comes later must not be taken for the next request's."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head + 2) if self._body else None
        if len(self._buffer) < head + 4 + (int(length[1]) if length else 0):
            return
        answer = Answer(
            int(self._buffer[9:12]), bool(_RETRY_AFTER.search(self._buffer, 0, head + 2))
        )
        if _CLOSE.search(self._buffer, 0, head + 2) and self._transport is not None:
            self._transport.close()
        self._buffer = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())
