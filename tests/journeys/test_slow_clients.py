"""Clients that would keep a connection for nothing, against a real process."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.http import fetch
from tests.support.processes import Processes
from tests.support.traffic import make_link

pytestmark = [pytest.mark.process, pytest.mark.slow]

PROMISED = 15.0

MANY = 60_000
"""Requests of a kilobyte, and redirects for them, that no kernel has room for."""

PADDED = b"GET /hello HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 1000 + b"\r\n\r\n"


async def silent(port: int) -> float:
    """Send nothing. Returns the seconds until the connection has ended, like the others."""
    return await _ended(port, b"")


async def halting(port: int) -> float:
    """Send half a request."""
    return await _ended(port, b"GET /hello HTTP/1.1\r\nHost: x\r\nA: ")


async def trickling(port: int) -> float:
    """Send a header of endless length, a byte each second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()

    async def trickle() -> None:
        for byte in b"GET /hello HTTP/1.1\r\nA: " + b"a" * 60:
            writer.write(bytes([byte]))
            await asyncio.sleep(1)

    trickling = asyncio.create_task(trickle())
    with suppress(ConnectionError):
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    trickling.cancel()
    writer.close()
    return time.monotonic() - began


async def deaf(port: int) -> float:
    """Send many requests and read no answer: from when the service takes no more of them."""
    # Hardly any room for answers, or the kernel takes them for as long as it has some.
    ear = socket.socket()
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ear.setblocking(False)
    await asyncio.get_running_loop().sock_connect(ear, ("127.0.0.1", port))
    _, writer = await asyncio.open_connection(sock=ear, limit=1024)
    began = time.monotonic()
    with suppress(ConnectionError):
        for _ in range(MANY):
            writer.write(PADDED)
            await writer.drain()
            began = time.monotonic()
    writer.transport.abort()
    return time.monotonic() - began


async def bodiless(port: int) -> float:
    """Announce a body and send none."""
    return await _ended(
        port,
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 10\r\n\r\n",
    )


async def unasked(port: int) -> float:
    """Announce a body that nobody asked for, and send none."""
    return await _ended(port, b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")


async def _ended(port: int, sent: bytes) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    writer.write(sent)
    with suppress(ConnectionError):
        await reader.read()
    writer.close()
    return time.monotonic() - began


def test_each_is_cut(processes: Processes, sql: psycopg.Connection, measured: Measured) -> None:
    """Silent, halting, trickling, deaf: within 15 seconds the connection is gone; a line for each reason tells."""
    make_link(sql, "hello")
    service = processes.service()
    port = urlsplit(service.url).port or 0
    kinds = (silent, halting, trickling, deaf, bodiless, unasked)

    async def all_of_them() -> list[float]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*(kind(port) for kind in kinds))

    for kind, seconds in zip(kinds, asyncio.run(all_of_them()), strict=True):
        measured(kind.__name__, seconds)
        assert seconds <= PROMISED
    assert 302 == fetch(f"{service.url}/hello").status
    cut = [line for line in service.stderr.splitlines() if '"connections_cut"' in line]
    assert 2 <= len(cut) <= len(kinds)
    assert all(len(line) <= 300 for line in service.stderr.splitlines())
