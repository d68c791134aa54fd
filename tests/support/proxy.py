"""A way to Postgres that counts what is asked of it, and can be broken: it refuses, hangs, loses
answers, is slow, when told to.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ops.bench.asked import Asked, Requests
from service.contract.postgres import Database
from tests.support.link import Link, Toxics


class Proxy:
    """Forwards bytes between clients and the server."""

    def __init__(self, upstream: Database) -> None:
        self.lead_to(upstream)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[Link] = set()
        self.chance = random.Random()
        self.toxics = Toxics()
        self.lose_answer = False
        """Cut the connection over which the next answer would come."""
        self.lose_commit: Callable[[], bool] | None = None
        """Asked for each commit that the server has made and whose answer is on its way: true cuts
        the connection, so that the client cannot know."""
        self.lost_commits = 0
        """How many were cut by that."""
        self.refuse = False
        """Cut every new connection at once."""
        self.refused = 0
        """How many were cut by that."""
        self.asked = Asked()
        """What has been asked over all connections, whether it got an answer or not."""

    def lead_to(self, upstream: Database) -> None:
        """Connect to this server from now on; connections that are open stay where they are."""
        given = conninfo_to_dict(upstream.conninfo)
        self._host, self._port = str(given["host"]), str(given.get("port", 5432))

    def hang(self) -> None:
        """Forward nothing any more, and keep every connection open."""
        self._open.clear()

    def go_on(self) -> None:
        """Forward again."""
        self._open.set()

    def strand(self) -> int:
        """Never forward again on the connections that are open; new ones are well. Returns how many.

        So does a firewall that has forgotten them: no FIN, no reset, no error.
        """
        for link in self._links:
            link.stranded = True
        return len(self._links)

    def reset(self, share: float = 1.0) -> int:
        """Reset this share of the open connections, at least one; returns how many."""
        links = sorted(self._links, key=id)
        chosen = self.chance.sample(links, min(len(links), max(1, round(len(links) * share))))
        for link in chosen:
            link.reset()
        return len(chosen)

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
        link = Link(writer, requests)
        self._links.add(link)
        there = asyncio.create_task(self._forward(link, reader, requests))
        back = asyncio.create_task(self._back(link, answers, writer))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            there.cancel()
            back.cancel()
            requests.close()  # before anything is awaited: the end of the test may cancel that
            await asyncio.gather(there, back, return_exceptions=True)
            await _closed(requests)

    async def _forward(
        self, link: Link, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        requests = Requests(self.asked)
        while data := await source.read(65536):
            await self._may_pass(link)
            requests.heard(data)
            link.commits.asked(data)
            await self._write(target, data)

    async def _back(
        self, link: Link, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        held = b""
        while data := await source.read(65536):
            await self._may_pass(link)
            if self.lose_answer:
                self.lose_answer = False
                return
            committed = link.commits.answered(data)
            if self.lose_commit is not None:
                held += data
                if committed and self.lose_commit():
                    self.lost_commits += 1
                    link.reset()
                    return
                if link.commits.held and link.commits.open:
                    continue
                data, held = held, b""
            elif held:
                data, held = held + data, b""
            await self._write(target, data)

    async def _may_pass(self, link: Link) -> None:
        await self._open.wait()
        if link.stranded:
            # For ever, but for the end of the proxy or of the other direction.
            await asyncio.Event().wait()

    async def _write(self, target: asyncio.StreamWriter, data: bytes) -> None:
        toxics = self.toxics
        if toxics.latency:
            late = toxics.latency + self.chance.uniform(-toxics.jitter, toxics.jitter)
            await asyncio.sleep(max(late, 0.0))
        for start in range(0, len(data), toxics.slice):
            piece = data[start : start + toxics.slice]
            target.write(piece)
            await target.drain()
            if toxics.bandwidth:
                await asyncio.sleep(len(piece) / toxics.bandwidth)
            elif toxics.slice < 65536:
                # Let the piece leave by itself: what is written at once is sent at once.
                await asyncio.sleep(0)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def proxied(database: Database) -> AsyncIterator[tuple[Proxy, Database]]:
    """Yield a proxy to the database, and the database as it is reached through it."""
    proxy = Proxy(database)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    conninfo = make_conninfo(
        database.conninfo, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable"
    )
    try:
        yield proxy, replace(database, conninfo=conninfo)
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
