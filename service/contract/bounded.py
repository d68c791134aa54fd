"""A connection on which nobody waits for ever.

A server can be gone without a word: its machine, the network, a frozen process. Whoever waits for
its answer then waits until TCP gives up, a quarter of an hour, or never.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from service.contract.wire import cut

RV = TypeVar("RV")


class BoundedConnection(AsyncConnection[TupleRow]):
    """Fails with psycopg.OperationalError, for good, when an answer takes more than `patience` s.

    The server is to have bounds of its own, shorter ones: a statement that it ends by itself leaves
    the connection as good as it was. None waits as long as it takes.
    """

    patience: float | None = None

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait as psycopg does. Every statement, fetch and notification passes here."""
        if self.patience is None:
            return await super().wait(gen, interval, timeout)
        late = asyncio.get_running_loop().call_later(self.patience, cut, self)
        try:
            return await super().wait(gen, interval, timeout)
        finally:
            late.cancel()
