"""A bare HTTP/1.1 client connection: keep-alive, one request at a time, no more than a load needs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

BROKEN = 0
"""Stands for the status of a request whose connection was lost."""


class Connection(asyncio.Protocol):
    """Sends a request, hands its status on, and is free for the next one."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answered: Callable[[int], None] | None = None

    @property
    def lost(self) -> bool:
        """Whether no further request can be sent."""
        return self._transport is None

    def ask(self, request: bytes, answered: Callable[[int], None]) -> None:
        """Send a request; `answered` gets the status, or BROKEN, exactly once."""
        if self._transport is None:
            answered(BROKEN)
            return
        self._answered = answered
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        told = _LENGTH.search(self._buffer, 0, head + 2)
        if len(self._buffer) < head + 4 + (int(told[1]) if told else 0):
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        self._hand_on(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._hand_on(BROKEN)

    def _hand_on(self, status: int) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status)


async def connect(url: str, number: int) -> list[Connection]:
    """Open so many connections. Raises OSError."""
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    opened = []
    for _ in range(number):
        _, connection = await loop.create_connection(Connection, host, port)
        opened.append(connection)
    return opened


def get(url: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a GET request."""
    fields = {"Host": urlsplit(url).netloc, **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()
