"""Accepting from listeners that several workers share."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

import pytest
from aiohttp import ClientSession, web

from service import acceptor as module
from service.acceptor import Acceptor
from service.listeners import open_listeners


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener that workers inherit."""
    (opened,) = open_listeners("127.0.0.1", 0)
    with opened:
        yield opened


@asynccontextmanager
async def worker(name: str, listener: socket.socket) -> AsyncIterator[Acceptor]:
    """Something that accepts from its own copy of the listener and answers with its name."""

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=name)

    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=1.0)
    await runner.setup()
    acceptor = Acceptor(runner, [listener.dup()])
    await acceptor.start()
    try:
        yield acceptor
    finally:
        await runner.cleanup()


async def answer(listener: socket.socket) -> str:
    """Return what a fresh connection is answered."""
    url = "http://127.0.0.1:{1}/".format(*listener.getsockname())
    async with ClientSession() as session, session.get(url) as response:
        return await response.text()


async def test_workers_share_a_listener(listener: socket.socket) -> None:
    """Each connection is answered by one of them, and by the other one alone once one stops."""
    async with worker("a", listener) as first, worker("b", listener):
        assert {"a", "b"} >= {await answer(listener) for _ in range(20)}
        await first.stop()
        assert {"b"} == {await answer(listener) for _ in range(20)}


async def test_what_waits_is_accepted_at_the_stop(listener: socket.socket) -> None:
    """More connections than are accepted at once are in the queue: all of them get in."""
    number = 3 * module.AT_ONCE
    async with AsyncExitStack() as stack:
        acceptor = await stack.enter_async_context(worker("a", listener))
        for _ in range(number):
            stack.enter_context(closing(socket.create_connection(listener.getsockname())))
        await acceptor.stop()
        server = acceptor._runner.server
        assert server is not None
        assert number == len(server.connections)
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_out_of_descriptors(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of accept() costs a pause, not the worker: the connection waits and is served."""
    failed = asyncio.Event()
    real = socket.socket.accept

    def accept(self: socket.socket) -> tuple[socket.socket, object]:
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EMFILE, "too many open files")
        return real(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    async with worker("a", listener):
        assert "a" == await answer(listener)
    assert failed.is_set()


async def test_without_epoll(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no epoll the event loop watches the listeners."""
    monkeypatch.setattr(sys, "platform", "darwin")
    async with worker("a", listener) as acceptor:
        assert acceptor._queue is None
        assert "a" == await answer(listener)
