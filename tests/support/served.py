"""The application served as the service serves it, and what comes back byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from aiohttp import web

from service.hosts import short_host
from service.lifespan import OBSERVE, SETTINGS
from service.lines import Lines
from service.redirects import REDIRECTS
from service.runner import Runner
from service.shortcut import shorten

PATIENCE = 20.0
"""Seconds until an answer that never comes fails its test; far above every promise."""


@dataclass(frozen=True, slots=True)
class Served:
    """Where it listens, and the connections it holds."""

    port: int
    lines: Lines

    async def talk(self, request: bytes) -> bytes:
        """Send some bytes and return all that comes until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(PATIENCE):
                return await reader.read()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: str = ""
    ) -> Told:
        """Send one request on a connection of its own and return the response."""
        told = {"Host": "127.0.0.1", "Connection": "close", **(headers or {})}
        if body:
            told.setdefault("Content-Type", "application/json")
            told.setdefault("Content-Length", str(len(body.encode())))
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return parsed(await self.talk(f"{method} {path} HTTP/1.1\r\n{lines}\r\n{body}".encode()))


@dataclass(frozen=True, slots=True)
class Told:
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def parsed(response: bytes) -> Told:
    """Return a complete response in its parts; a header that is told twice fails the test."""
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    assert len(pairs) == len(headers)
    return Told(int(first.split()[1]), headers, body)


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[Served]:
    """Serve the app on a port of its own, without its looks at slow connections."""
    runner = Runner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    shorten(runner, app[REDIRECTS], short_host(app[SETTINGS], app[REDIRECTS], app[OBSERVE]))
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Served(runner.addresses[0][1], runner.lines)
    finally:
        await runner.cleanup()
