"""A connection on which nobody waits for ever.

A server can be gone without a word: its machine, the network, a frozen process. Whoever waits for
its answer then waits until TCP gives up, a quarter of an hour, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from service.contract.servers import Servers
from service.contract.wire import cut

RV = TypeVar("RV")

PARTING = 0.5
"""Seconds for the server to confirm that it has ended what nobody wants to hear of any more."""


class BoundedConnection(AsyncConnection[TupleRow]):
    """Fails with psycopg.OperationalError, for good, when an answer takes more than `patience` s.

    The server is to have bounds of its own, shorter ones: a statement that it ends by itself leaves
    the connection as good as it was. None waits as long as it takes.
    """

    patience: float | None = None
    _late: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(  # type: ignore[override] # psycopg's options are handed on as they are
        cls, conninfo: str = "", *, servers: Servers | None = None, **options: Any
    ) -> Self:
        """Connect as psycopg does, or to one of `servers`."""
        connect = super().connect
        if servers is None:
            return await connect(conninfo, **options)
        return await servers.connect(conninfo, lambda each: connect(each, **options))

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait as psycopg does. Every statement, fetch and notification passes here."""
        if self.patience is None:
            return await super().wait(gen, interval, timeout)
        self._cut_after(self.patience)
        try:
            return await super().wait(gen, interval, timeout)
        finally:
            self._cut_after(None)

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:
        """Ask the server to end what is under way.

        So does psycopg when a task that waits is cancelled, and then waits for the statement's end:
        here for PARTING at most. A server that is gone would not confirm anything either.
        """
        if self._late is not None:
            self._cut_after(PARTING)
            timeout = min(timeout, PARTING)
        await super().cancel_safe(timeout=timeout)

    def _cut_after(self, seconds: float | None) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if seconds is not None:
            self._late = asyncio.get_running_loop().call_later(seconds, cut, self)


@contextmanager
def answering_within(connection: AsyncConnection, seconds: float | None) -> Iterator[None]:
    """Bound each answer inside by so many seconds, whatever the connection's own bound is."""
    if not isinstance(connection, BoundedConnection):
        yield
        return
    before, connection.patience = connection.patience, seconds
    try:
        yield
    finally:
        connection.patience = before
