"""The client: marked requests at a constant rate over keep-alive connections, none repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from urllib.parse import urlsplit

from tests.oracle.connection import Connection
from tests.oracle.exchange import NOTHING, Exchange, Kind, mark

CONNECTIONS = 64

PATIENCE = 10.0
"""Seconds until the client gives a request up that has not left, and again one that has; the promise
is an answer within 3."""

EVERY: Mapping[int, Kind] = {7: "head", 23: "unknown", 41: "gone"}
"""Of 50 requests these are of another kind: nothing may be stored for them."""


@dataclass(frozen=True, slots=True)
class Paths:
    """What to ask for: live links, taken in turn; one that is not live; a code without a link."""

    live: tuple[str, ...]
    gone: str
    unknown: str


@dataclass
class Client:
    """Notes every request in `exchanges`, in the order of their numbers.

    A request waits when all connections are taken. A connection that is lost is replaced, the
    request that was under way on it is not sent again.
    """

    url: str
    run: str
    paths: Paths
    rate: float
    connections: int = CONNECTIONS
    patience: float = PATIENCE
    exchanges: list[Exchange] = field(default_factory=list)

    async def send_until(self, stop: asyncio.Event) -> None:
        """Send until told to stop, then wait for the answers that are under way."""
        due: asyncio.Queue[Exchange | None] = asyncio.Queue()
        slots = [asyncio.create_task(self._slot(due)) for _ in range(self.connections)]
        try:
            await self._put(due, stop)
        finally:
            for _ in slots:
                due.put_nowait(None)
            await asyncio.gather(*slots)

    async def _put(self, due: asyncio.Queue[Exchange | None], stop: asyncio.Event) -> None:
        began = monotonic()
        for number in count():
            meant = began + number / self.rate
            if (early := meant - monotonic()) > 0:
                await asyncio.sleep(early)
            if stop.is_set():
                return
            exchange = Exchange(number, EVERY.get(number % 50, "click"), meant)
            self.exchanges.append(exchange)
            due.put_nowait(exchange)

    async def _slot(self, due: asyncio.Queue[Exchange | None]) -> None:
        """Carry one request after another over one connection at a time."""
        connection: Connection | None = None
        while (exchange := await due.get()) is not None:
            if monotonic() - exchange.meant < self.patience:
                connection = await self._carry(exchange, connection)
            exchange.ended = monotonic()
        if connection is not None:
            connection.close()

    async def _carry(self, exchange: Exchange, connection: Connection | None) -> Connection | None:
        """Send a request and note what came of it; return the connection unless it is lost.

        It has its whole patience before it, however long it has waited to leave. Else one that has
        waited for nearly all of it would cut its connection as soon as it was sent, and so would
        the next: a client that is once that far behind would never catch up.
        """
        try:
            async with asyncio.timeout(self.patience):
                if connection is None or connection.lost:
                    connection = await self._connect()
                exchange.started, exchange.status = monotonic(), NOTHING
                exchange.status, exchange.retry_after = await connection.ask(
                    self._request(exchange), body=exchange.kind != "head"
                )
        except (OSError, TimeoutError):
            if connection is not None:
                connection.close()
            return None
        return connection

    async def _connect(self) -> Connection:
        address = urlsplit(self.url)
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, address.hostname or "127.0.0.1", address.port or 80
        )
        return connection

    def _request(self, exchange: Exchange) -> bytes:
        live = self.paths.live[exchange.number % len(self.paths.live)]
        path = {"gone": self.paths.gone, "unknown": self.paths.unknown}.get(exchange.kind, live)
        method = "HEAD" if exchange.kind == "head" else "GET"
        return (
            f"{method} /{path} HTTP/1.1\r\nHost: {urlsplit(self.url).netloc}\r\n"
            f"User-Agent: {mark(self.run, exchange.number)}\r\n\r\n"
        ).encode()
