"""A lane: one connection, over which batches of visits travel one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from time import monotonic

import psycopg

from service.contract.bounded import BoundedConnection
from service.contract.fitness import DurabilityError, SchemaError
from service.contract.observations import DatabaseUnavailable, Observer
from service.contract.outbox import Resolved, Visit, visits_record
from service.contract.postgres import Database
from service.contract.session import LIVELY, Session
from service.contract.transience import is_stale, is_transient, observation
from service.errors import Unavailable

APPLICATION = "everyclick-service"

SESSION: Session = {
    **LIVELY,
    # What nobody waits for any more ends on the server too: cut connections must not pile up there.
    "statement_timeout": "3s",
    # A plan is kept, and may be one made for a handful of links: reading all of them.
    "enable_seqscan": "off",
}

PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds before a lost connection is replaced, doubling from the first to the longest."""


Vet = Callable[[psycopg.AsyncConnection], Awaitable[None]]
"""Looks at a new connection; raises SchemaError or DurabilityError when it is not to be used."""


class StaleConnection(Exception):
    """Another connection will do what this one cannot."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One visit waiting for its answer, until `deadline` on the monotonic clock."""

    visit: Visit
    answer: asyncio.Future[Resolved | None]
    deadline: float


class Lane:
    """Carries batches; opens its connection when it needs it and replaces it when it is lost."""

    def __init__(self, database: Database, observe: Observer, vet: Vet) -> None:
        self._database = database
        self._observe = observe
        self._vet = vet
        self._connection: BoundedConnection | None = None
        self._fresh: BoundedConnection | None = None
        self.batch: Sequence[Ticket] = ()
        self.since = 0.0
        self._refusals = 0

    async def carry(self, batch: Sequence[Ticket]) -> None:
        """Record the batch's visits and answer each ticket, unless it was given up meanwhile.

        A lost connection, or a COMMIT whose answer was lost, is tried again with the same ids
        until every ticket has its answer or has been given up. Never raises.
        """
        self.since = monotonic()
        self.batch = batch
        for tries in count():
            waiting = [ticket for ticket in self.batch if not ticket.answer.done()]
            if not waiting:
                break
            try:
                await self._deliver(waiting, again=tries > 0)
                self._refusals = 0
            except (psycopg.OperationalError, psycopg.InterfaceError, StaleConnection) as error:
                given_up = all(ticket.answer.done() for ticket in waiting)
                await self._lost(error, reported=tries > 0 or given_up)
                await asyncio.sleep(min(PAUSE * 2**tries, LONGEST_PAUSE))
            except (SchemaError, DurabilityError, psycopg.Error) as error:
                # Not a matter of waiting: a primary turned read-only, a table or a right missing.
                # Another connection may find another server, but not at the pace of the requests.
                self._refuse(waiting, error)
                await self._lost(error, reported=True)
                await asyncio.sleep(min(PAUSE * 2**self._refusals, LONGEST_PAUSE))
                self._refusals += 1
        self.batch = ()

    def cut(self) -> None:
        """End what is under way, within bounded.PARTING; a server that hangs is not waited for."""
        for connection in (self._connection, self._fresh):
            if connection is not None:
                connection.end()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _deliver(self, tickets: Sequence[Ticket], *, again: bool) -> None:
        """Record the visits; one that cannot be is found by halving, and its neighbours are.

        Raises what is no visit's fault, wherever in the halving it happens.
        """
        try:
            await self._try(tickets, again=again)
        except (SchemaError, DurabilityError):
            raise
        except Exception as error:
            if isinstance(error, psycopg.Error) and is_transient(error):
                if is_stale(error):
                    raise StaleConnection(str(error)) from error
                raise
            # A value that Postgres or the driver refuses.
            if len(tickets) == 1:
                self._refuse(tickets, error)
                return
            middle = len(tickets) // 2
            await self._deliver(tickets[:middle], again=again)
            await self._deliver(tickets[middle:], again=again)

    async def _try(self, tickets: Sequence[Ticket], *, again: bool) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await self._vetted()
        found = await visits_record(
            self._connection,
            [ticket.visit for ticket in tickets],
            again=again,
            durable=self._connection.durable_transactions,
        )
        for ticket in tickets:
            if not ticket.answer.done():
                ticket.answer.set_result(found.get(ticket.visit.code))

    async def _vetted(self) -> BoundedConnection:
        fresh = self._fresh = await self._database.aconnect(APPLICATION, SESSION)
        try:
            # Before the first commit that somebody relies on: the server may be another one,
            # or have other settings, than the one that was looked at when the process started.
            await self._vet(fresh)
        except BaseException:
            await fresh.close()
            raise
        finally:
            self._fresh = None
        return fresh

    def _refuse(self, tickets: Sequence[Ticket], error: Exception) -> None:
        if isinstance(error, psycopg.Error):
            self._observe(observation("redirect", error))
        else:
            self._observe(DatabaseUnavailable(doing="redirect", error=str(error).strip()))
        for ticket in tickets:
            if not ticket.answer.done():
                ticket.answer.set_exception(Unavailable("The click could not be recorded."))

    async def _lost(self, error: Exception, *, reported: bool) -> None:
        if not reported:
            self._observe(DatabaseUnavailable(doing="redirect", error=str(error).strip()))
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
