"""A way to Postgres that counts what is asked of it, and can be broken: it refuses, hangs, or loses
an answer, when told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ops.bench.asked import Asked, Requests
from service.contract.postgres import Database


class Proxy:
    """Forwards bytes between clients and the server."""

    def __init__(self, upstream: Database) -> None:
        given = conninfo_to_dict(upstream.conninfo)
        self._host, self._port = str(given["host"]), str(given.get("port", 5432))
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_answer = False
        """Cut the connection over which the next answer would come."""
        self.refuse = False
        """Cut every new connection at once."""
        self.refused = 0
        """How many were cut by that."""
        self.asked = Asked()
        """What has been asked over all connections, whether it got an answer or not."""

    def hang(self) -> None:
        """Forward nothing any more, and keep every connection open."""
        self._open.clear()

    def go_on(self) -> None:
        """Forward again."""
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one client's connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.refuse:
                self.refused += 1
                return
            await self._connected(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            await _closed(writer)
            self._tasks.discard(task)

    async def close(self) -> None:
        """End every connection."""
        tasks = self._tasks.copy()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._host.startswith("/"):
            path = f"{self._host}/.s.PGSQL.{self._port}"
            answers, requests = await asyncio.open_unix_connection(path)
        else:
            answers, requests = await asyncio.open_connection(self._host, int(self._port))
        there = asyncio.create_task(self._forward(reader, requests, Requests(self.asked).heard))
        back = asyncio.create_task(self._forward(answers, writer))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            requests.close()  # before anything is awaited: the end of the test may cancel that
            await asyncio.gather(there, back, return_exceptions=True)
            await _closed(requests)

    async def _forward(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        heard: Callable[[bytes], None] | None = None,
    ) -> None:
        """Forward one direction; `heard` gets what a client sends, and None is the way back."""
        while data := await source.read(65536):
            await self._open.wait()
            if heard is not None:
                heard(data)
            elif self.lose_answer:
                self.lose_answer = False
                return
            target.write(data)
            await target.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def proxied(database: Database) -> AsyncIterator[tuple[Proxy, Database]]:
    """Yield a proxy to the database, and the database as it is reached through it."""
    proxy = Proxy(database)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    conninfo = make_conninfo(database.conninfo, host="127.0.0.1", port=port, sslmode="disable")
    try:
        yield proxy, replace(database, conninfo=conninfo)
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
