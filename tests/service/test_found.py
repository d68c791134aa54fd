"""The redirect's response, byte for byte as a client gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web

from service.found import Found

TARGET = "https://example.com/a?b=%20c#d"

PIPELINED = 100_000
"""Requests of a kilobyte each: more than the buffers of any kernel hold, there or back."""


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Where a server listens that redirects everything."""

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return Found(TARGET)

    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def talk(port: int, request: str) -> str:
    """Send a request; return what comes until the server closes or a response is complete."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.encode())
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def parsed(response: str) -> tuple[str, dict[str, str]]:
    """Return the status line and the headers."""
    first, *lines = response.removesuffix("\r\n\r\n").split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines)


async def test_the_response_is_whole(port: int) -> None:
    """Where to go, never to be kept, nothing in it, nothing told about us."""
    status, headers = parsed(await talk(port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert "HTTP/1.1 302 Found" == status
    date = headers.pop("Date")
    assert date.endswith(" GMT")
    assert {
        "Location": TARGET,
        "Cache-Control": "no-store",
        "Content-Length": "0",
        "Server": "everyclick",
    } == headers


@pytest.mark.parametrize(
    "version, asked, told, stays",
    [
        ("1.1", None, None, True),
        ("1.1", "keep-alive", None, True),
        ("1.1", "close", "close", False),
        ("1.0", None, "close", False),
        ("1.0", "keep-alive", "keep-alive", True),
    ],
)
async def test_the_connection_stays_or_not_as_agreed(
    port: int, version: str, asked: str | None, told: str | None, *, stays: bool
) -> None:
    """The header says what happens, in both versions of HTTP."""
    request = f"GET /hello HTTP/{version}\r\nHost: x\r\n"
    if asked is not None:
        request += f"Connection: {asked}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{request}\r\n".encode())
        _, headers = parsed((await reader.readuntil(b"\r\n\r\n")).decode())
        assert told == headers.get("Connection")
        if stays:
            writer.write(f"{request}\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 302 ")
        else:
            assert b"" == await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_many_on_one_connection_are_answered_in_order(port: int) -> None:
    """Pipelined requests have an answer each."""
    one = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write((one * 100).encode())
        for _ in range(100):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 302 ")
    finally:
        writer.close()


async def test_a_client_that_does_not_read_is_waited_for(port: int) -> None:
    """Its answers do not pile up in memory: the server stops, and the client cannot send on."""
    one = f"GET /hello HTTP/1.1\r\nHost: x\r\nX: {'x' * 1000}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    try:
        writer.write((one * PIPELINED).encode())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 3.0)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 302 ")
    finally:
        writer.transport.abort()


async def test_the_last_answer_of_a_connection() -> None:
    """Told to be the last it says so, whatever the client has asked for, and the server closes."""

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        found = Found(TARGET)
        found.force_close()
        return found

    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        _, headers = parsed((await reader.readuntil(b"\r\n\r\n")).decode())
        assert "close" == headers["Connection"]
        assert b"" == await reader.read()
        writer.close()
    finally:
        await runner.cleanup()
