"""A tap on the way to Postgres: what a process asks for goes through here and is counted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from ops.bench.asked import Asked, Requests

CHUNK = 65536


class Tap:
    """Forwards every connection to a server on a Unix socket, and counts in `asked`."""

    def __init__(self, conninfo: str) -> None:
        given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
        self._path = f"{given['host']}/.s.PGSQL.{given['port']}"
        self._user, self._name = quote(given["user"], safe=""), quote(given["dbname"], safe="")
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked = Asked()
        self.url = ""
        """Where the database is reached through the tap."""

    async def open(self) -> asyncio.Server:
        """Listen on a port of the loopback interface."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"postgresql://{self._user}@127.0.0.1:{port}/{self._name}?sslmode=disable"
        return server

    async def close(self, server: asyncio.Server) -> None:
        """End what is still connected."""
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(client, back))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.CancelledError):
                answers, there = await asyncio.open_unix_connection(self._path)
                try:
                    async with asyncio.TaskGroup() as both:
                        both.create_task(_forward(client, there, Requests(self.asked)))
                        both.create_task(_forward(answers, back, None))
                finally:
                    there.close()
        finally:
            back.close()


async def _forward(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, requests: Requests | None
) -> None:
    with suppress(OSError):
        while data := await source.read(CHUNK):
            if requests is not None:
                requests.heard(data)
            target.write(data)
            await target.drain()
    # The other side is told of the end, and ends its own direction.
    with suppress(OSError):
        target.close()


@contextmanager
def tapped(conninfo: str) -> Iterator[Tap]:
    """Yield a tap on the server, which a thread of its own serves."""
    tap = Tap(conninfo)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tap")
    with ExitStack() as stack:
        stack.callback(loop.close)
        thread.start()
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)
        server = asyncio.run_coroutine_threadsafe(tap.open(), loop).result()
        stack.callback(lambda: asyncio.run_coroutine_threadsafe(tap.close(server), loop).result())
        yield tap
