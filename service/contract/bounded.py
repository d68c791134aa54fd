"""A connection whose waits are bounded, and on which a COMMIT that returns is a durable one.

A server can be gone without a word: its machine, the network, a frozen process. A client that waits
for its answer then waits until TCP gives up, a quarter of an hour, or never.

With a synchronous standby a COMMIT waits for the standby's disk too. A wait that is cancelled ends
as success, with a WARNING: the commit is on the primary alone, and lost when the standby takes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncTransaction
from psycopg.abc import PQGen
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from service.contract.durability import commit_confirm, transaction_durable
from service.contract.servers import Servers
from service.contract.wire import cut

RV = TypeVar("RV")

PARTING = 0.5
"""Seconds to wait for the server to acknowledge a cancel."""

REPLICATION_WAIT = "SyncRepWaitForLSN"
"""The function of Postgres that warns of a cancelled wait for a synchronous standby. The message is
translated and its SQLSTATE is that of every warning; this field is neither."""


class BoundedConnection(AsyncConnection[TupleRow]):
    """Fails with psycopg.OperationalError, for good, when an answer takes more than `patience` s.

    The server is to have bounds of its own, shorter ones: a statement that it ends by itself leaves
    the connection as good as it was. None waits as long as it takes.
    """

    patience: float | None = None
    durable_transactions: bool = False
    """Whether each transaction sets `synchronous_commit` for itself, because the session cannot."""
    _late: asyncio.TimerHandle | None = None
    _ending: asyncio.Task[None] | None = None
    _unconfirmed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_notice_handler(self._noticed)

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
        """Wait as psycopg does. Every statement, fetch and notification passes here.

        When the wait for a standby was cancelled, wait again: the COMMIT of an empty message that is
        behind the first one in the log ends when both are replicated.
        """
        if self.patience is not None:
            self._end_after(self.patience)
        self._unconfirmed = False
        try:
            result = await super().wait(gen, interval, timeout)
            while self._unconfirmed:
                if self._ending is not None:
                    raise psycopg.OperationalError("The commit was not replicated in time.")
                self._unconfirmed = False
                await super().wait(self._exec_command(commit_confirm()), interval)
            return result
        except psycopg.Error as error:
            if self._ending is None:
                raise
            raise psycopg.OperationalError("No answer from the server in time.") from error
        finally:
            self._end_after(None)
            self.close_ended()

    @asynccontextmanager
    async def transaction(
        self,
        savepoint_name: str | None = None,
        force_rollback: bool = False,  # noqa: FBT001, FBT002 - psycopg's signature
    ) -> AsyncIterator[AsyncTransaction]:
        """Open a transaction as psycopg does, a durable one whatever the server's settings are."""
        outermost = self.info.transaction_status == TransactionStatus.IDLE
        async with super().transaction(savepoint_name, force_rollback) as transaction:
            if outermost and self.durable_transactions:
                await self.execute(transaction_durable())
            yield transaction

    def end(self) -> None:
        """End what is under way, on the server too; the connection is lost. Never raises.

        The server is asked first: a backend that waits for a standby does not notice that its client
        is gone. A server that hangs does not answer, so the wire is cut after PARTING at the latest.
        """
        if self._ending is None and not self.closed:
            self._ending = asyncio.get_running_loop().create_task(self._cancel_then_cut())

    def close_ended(self) -> None:
        """Close the connection if `end` was called."""
        if self._ending is not None:
            self.pgconn.finish()

    async def _cancel_then_cut(self) -> None:
        with suppress(psycopg.Error):
            await super().cancel_safe(timeout=PARTING)
        cut(self)

    def _noticed(self, notice: Diagnostic) -> None:
        if notice.source_function == REPLICATION_WAIT:
            self._unconfirmed = True

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:
        """Ask the server to end what is under way.

        So does psycopg when a task that waits is cancelled, and then waits for the statement's end:
        here for PARTING at most. A server that is gone would not confirm anything either.
        """
        if self._late is not None:
            self._end_after(PARTING)
            timeout = min(timeout, PARTING)
        await super().cancel_safe(timeout=timeout)

    def _end_after(self, seconds: float | None) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if seconds is not None:
            self._late = asyncio.get_running_loop().call_later(seconds, self.end)


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
