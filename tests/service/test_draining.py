"""Leaving: each answer is the last of its connection, and the idle are let go after a while."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from aiohttp import web
from psycopg import AsyncConnection

from service import draining as module
from service.acceptor import Acceptor
from service.draining import LINGER, rest
from service.lifespan import DATABASE, DRAINING
from service.listeners import open_listeners
from service.redirects import REDIRECTS
from service.shortcut import shorten
from tests.support.ledger import held, make_link, until, waits_for_lock

WITHIN = 20.0


class Client:
    """A connection that is kept as long as the server keeps it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, path: str) -> None:
        """Send a request."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    async def answer(self) -> tuple[int, str]:
        """Return the status of the next answer, and what it says of the connection."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        await self._reader.readexactly(int(headers["content-length"]))
        return int(head[9:12]), headers.get("connection", "")

    async def ask(self, path: str) -> tuple[int, str]:
        """Send a request and return its answer."""
        self.send(path)
        return await self.answer()

    async def end(self) -> bytes:
        """Return what comes until the server closes. Raises ConnectionResetError."""
        return await self._reader.read()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Where the app is served."""
    (opened,) = open_listeners("127.0.0.1", 0)
    with opened:
        yield opened


@pytest.fixture
def address(listener: socket.socket) -> tuple[str, int]:
    """Where the app is served, also once nothing listens there any more."""
    host, port = listener.getsockname()
    return host, port


@pytest.fixture
async def runner(
    app: web.Application, listener: socket.socket, address: tuple[str, int]
) -> AsyncIterator[web.AppRunner]:
    """The app, served as the service serves it."""
    made = web.AppRunner(app, access_log=None, shutdown_timeout=rest(WITHIN))
    await made.setup()
    shorten(made, app[REDIRECTS])
    try:
        await Acceptor(made, [listener]).start()
        yield made
    finally:
        await made.cleanup()


@pytest.fixture
async def clients(runner: web.AppRunner, address: tuple[str, int]) -> AsyncIterator[list[Client]]:
    """Four clients, each connected and served once."""
    made = [Client(*await asyncio.open_connection(*address)) for _ in range(4)]
    for client in made:
        assert (200, "") == await client.ask("/healthz")
    yield made
    for client in made:
        await client.close()


async def leave(runner: web.AppRunner) -> None:
    """Do what the process does when it is told to stop."""
    await runner.app[DRAINING].run(runner, WITHIN)
    await runner.cleanup()


@pytest.mark.parametrize(
    "path, status",
    [
        ("/hello", 302),
        ("/hello?way=router", 302),
        ("/unknown", 404),
        ("/healthz", 200),
        ("/readyz", 503),
        ("/api/v1/me", 401),
        ("/no/such/path", 404),
    ],
)
async def test_each_answer_is_the_last(
    runner: web.AppRunner, clients: list[Client], db: AsyncConnection, path: str, status: int
) -> None:
    """Whatever is asked on a connection that is still open is answered, and the answer says that
    the connection ends, as it then does.
    """
    await make_link(db)
    leaving = asyncio.create_task(leave(runner))
    await asyncio.sleep(0)
    for client in clients:
        assert (status, "close") == await client.ask(path)
        assert b"" == await client.end()
    began = time.monotonic()
    await leaving
    # Nobody is left to wait for.
    assert time.monotonic() - began < LINGER


async def test_the_idle_are_let_go(
    runner: web.AppRunner, clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection without a request is closed in order, not before it has lingered."""
    monkeypatch.setattr(module, "LINGER", 0.5)
    began = time.monotonic()
    leaving = asyncio.create_task(leave(runner))
    for client in clients:
        assert b"" == await client.end()
        assert time.monotonic() - began >= 0.5
    await leaving


async def test_one_in_hand_is_told_too(
    runner: web.AppRunner,
    clients: list[Client],
    db: AsyncConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that was there before is answered, longer than idle ones linger, and its answer
    says that the connection ends.
    """
    monkeypatch.setattr(module, "LINGER", 0.05)
    await make_link(db)
    conninfo = runner.app[DATABASE].conninfo
    with held(conninfo, "LOCK TABLE outbox IN SHARE MODE") as holder:
        clients[0].send("/hello")
        await until(lambda: waits_for_lock(db))
        leaving = asyncio.create_task(leave(runner))
        assert b"" == await clients[1].end()
        assert not leaving.done()
        holder.rollback()
        assert (302, "close") == await clients[0].answer()
    await leaving


async def test_the_listeners_are_closed(
    runner: web.AppRunner, clients: list[Client], address: tuple[str, int]
) -> None:
    """A client that connects within a moment is served; later ones are refused."""
    leaving = asyncio.create_task(leave(runner))
    await asyncio.sleep(0)
    late = Client(*await asyncio.open_connection(*address))
    assert (200, "close") == await late.ask("/healthz")
    await late.close()
    await leaving
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_one_accepted_at_the_last_moment_is_answered(
    runner: web.AppRunner, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that waits in the queue when the listeners are closed is served like any other,
    though no other connection is left and its request comes later.
    """
    monkeypatch.setattr(module, "HANDSHAKE", 0.0)
    with socket.create_connection(address) as queued:  # blocks the loop: nothing accepts meanwhile
        leaving = asyncio.create_task(leave(runner))
        await asyncio.sleep(0.1)
        last = Client(*await asyncio.open_connection(sock=queued))
        assert (200, "close") == await last.ask("/healthz")
        await last.close()
        await leaving


@pytest.mark.parametrize("within", [0.01, 1.0, 10.0])
def test_it_stays_within_its_time(within: float) -> None:
    """However little time there is, most of it is for the requests in hand."""
    assert within * 0.7 <= rest(within) < within
