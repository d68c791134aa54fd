"""The pipeline on one database, driven through the product's own functions, with faults on demand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection

from relay import chores
from relay.events import PendingEvent
from relay.mover import Mover, Policy
from relay.session import SESSION as RELAY
from relay.settlement import Terms
from relay.store.dead_letter_actions import Order
from relay.store.dead_letters import Choice
from relay.store.rollups import rollups_lock, rollups_rebuild, rollups_verify
from relay.throttle import Throttle
from relay.triage import act
from service.contract.events import LinkId, MessageId
from service.contract.outbox import Visit, visits_record
from service.contract.postgres import Database
from service.contract.session import Session, session_configure
from service.lane import SESSION as SERVICE
from service.store.links import link_create, link_delete
from tests.model.ledger import CAP, Row, State
from tests.support.ledger import terminate, waits_for_lock

T = TypeVar("T")

BATCH = 3
"""Events in a batch: few, so that there is often something left to do."""

LATER = 1000.0
"""Seconds until a failed event is due again: until the machine says so."""

TRIGGER = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.user_agent = 'poison' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22000'; END IF;
    IF NEW.user_agent = 'killer' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION refuse();
"""


class Crash(Exception):
    """A relay is killed while it handles an event."""


class Fragile(AsyncConnection[Any]):
    """A connection that can lose the next answer: what was asked for is done, and nobody is told."""

    lossy = False

    async def execute(self, *args: Any, **kwargs: Any) -> psycopg.AsyncCursor[Any]:
        cursor = await super().execute(*args, **kwargs)
        if self.lossy:
            await self.close()
            raise psycopg.OperationalError("the answer was lost")
        return cursor


class Relay:
    """One relay: a mover, and the connection it works on, replaced when it was lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.connection: Fragile | None = None
        self.handle: Callable[[PendingEvent], None] | None = None
        self.restart()

    def restart(self) -> None:
        """Begin as a new process: nothing is remembered."""
        self.mover = self._mover(None)

    def _mover(self, handle: Callable[[PendingEvent], None] | None) -> Mover:
        terms = Terms(CAP, LATER, lambda: 0.5)
        return Mover(Policy(BATCH, terms, handle), lambda _: None)

    async def connected(self) -> Fragile:
        if self.connection is None or self.connection.closed:
            self.connection = await connect(self._database, RELAY)
        return self.connection

    async def move(self) -> bool:
        """Move one batch; true, too, when the connection was lost over it."""
        try:
            return await self.mover.move(await self.connected())
        except psycopg.OperationalError:
            await self.lose()
            return True

    async def move_through(self, handle: Callable[[PendingEvent], None]) -> bool:
        """Move one batch, event by event, in a process that has `handle`."""
        self.mover = self._mover(handle)
        try:
            return await self.move()
        finally:
            self.restart()

    async def lose(self) -> None:
        """Drop the connection, whatever state it is in."""
        if self.connection is not None:
            await self.connection.close()
            self.connection = None


async def connect(database: Database, session: Session) -> Fragile:
    """Open a connection as the product does, but a fragile one."""
    connection = await Fragile.connect(database.conninfo, autocommit=True)
    await session_configure(connection, session)
    return connection


class Pipeline:
    """Service, two relays and an operator on one database; every method waits until it is done."""

    def __init__(self, database: Database, runner: asyncio.Runner) -> None:
        self.database = database
        self._runner = runner
        self._service: Fragile | None = None
        self.operator = self.run(database.aconnect("everyclick-model"))
        self.relays = [Relay(database), Relay(database)]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for some work."""
        return self._runner.run(work)

    def close(self) -> None:
        """Close every connection."""

        async def close() -> None:
            for connection in (self.operator, self._service):
                if connection is not None:
                    await connection.close()
            for relay in self.relays:
                await relay.lose()

        self.run(close())

    def execute(self, statement: str, *values: object) -> None:
        """Do something by hand."""

        async def execute() -> None:
            await self.operator.execute(statement.encode(), values or None)

        self.run(execute())

    async def record(self, visits: Sequence[Visit], lost: str | None) -> bool:
        """Record visits on the service's connection; false when no answer came.

        `lost`: "before", the statement is never run; "after", it is committed.
        """
        if self._service is None or self._service.closed:
            self._service = await connect(self.database, SERVICE)
        self._service.lossy = lost == "after"
        if lost == "before":
            terminate(self.database.conninfo, self._service.info.backend_pid)
        try:
            await visits_record(self._service, visits)
        except psycopg.OperationalError:
            await self._service.close()
            return False
        return True

    def link(self, code: str) -> LinkId:
        """Make a link."""
        link = self.run(link_create(self.operator, code, "https://example.com/", None))
        assert link is not None
        return link.id

    def delete(self, link: LinkId) -> None:
        """Delete a link as the API does."""
        assert self.run(link_delete(self.operator, link))

    def purge(self) -> None:
        """Remove what deleted links have left behind."""
        self.run(chores.purge_links(self.operator, lambda _: None, asyncio.Event()))

    def make_partitions(self) -> None:
        """Make the months around now."""
        self.run(chores.make_partitions(self.operator, lambda _: None))

    def replay(self, choice: Choice) -> int:
        """Put dead letters back."""
        return self._act(Order("replay", choice))

    def discard(self, choice: Choice) -> int:
        """Give dead letters up."""
        return self._act(Order("discard", choice, reason="the machine says so"))

    def _act(self, order: Order) -> int:
        throttle = Throttle(None, monotonic)
        return self.run(act(self.operator, order, throttle, lambda _: None)).events

    def rebuild(self) -> int:
        """Recompute the rollups; returns how many hours were wrong."""

        async def rebuild() -> int:
            async with self.operator.transaction():
                await rollups_lock(self.operator)
                return await rollups_rebuild(self.operator)

        return self.run(rebuild())

    def state(self) -> State:
        """What stands in the tables."""
        return self.run(self._state())

    async def _state(self) -> State:
        outbox = await self._rows(
            "SELECT message_id, link_id, attempts, available_at <= now() FROM outbox"
        )
        clicks = await self._rows("SELECT message_id, link_id FROM clicks")
        dead = await self._rows("SELECT message_id, link_id, attempts FROM dead_letters")
        assert len(clicks) == len({key for key, _ in clicks}), "counted twice"
        return State(
            {MessageId(key): Row(LinkId(link), n, due) for key, link, n, due in outbox},
            {MessageId(key): LinkId(link) for key, link in clicks},
            {MessageId(key): (LinkId(link), n) for key, link, n in dead},
        )

    def contents(self) -> list[tuple[MessageId, str, str | None, datetime]]:
        """What each row says of its click: id, marker, user agent, time."""
        return self.run(
            self._rows(
                "SELECT message_id, referrer, user_agent, occurred_at FROM outbox UNION ALL"
                " SELECT message_id, referrer, user_agent, occurred_at FROM clicks UNION ALL"
                " SELECT message_id, event ->> 'referrer', event ->> 'user_agent', occurred_at"
                " FROM dead_letters"
            )
        )

    def rollups(self) -> Counter[tuple[LinkId, datetime]]:
        """The rollups as they stand."""
        rows = self.run(self._rows("SELECT link_id, hour, clicks FROM clicks_hourly"))
        return Counter({(LinkId(link), at): clicks for link, at, clicks in rows})

    def differences(self) -> list[object]:
        """What verify finds."""
        return self.run(self._differences())

    async def _differences(self) -> list[object]:
        return [each async for each in rollups_verify(self.operator)]

    async def _rows(self, query: str) -> list[Any]:
        return await (await self.operator.execute(query.encode())).fetchall()

    # What can become of a relay's step.

    async def crash(self, relay: Relay, point: str) -> None:
        """Let a relay begin a batch and be killed at this point of it."""
        connection = await relay.connected()
        pid = connection.info.backend_pid
        if point == "before the claim":
            terminate(self.database.conninfo, pid)
            await relay.move()
        elif point == "after the claim":
            seen: list[PendingEvent] = []

            def killed(event: PendingEvent) -> None:
                seen.append(event)
                if len(seen) == 2:
                    terminate(self.database.conninfo, pid)

            await relay.move_through(killed)
        elif point == "before COMMIT":
            with suppress(psycopg.OperationalError):
                async with connection.transaction():
                    await relay.mover.move(connection)
                    terminate(self.database.conninfo, pid)
        elif point == "before COMMIT's answer":
            connection.lossy = True
            await relay.move()
        else:
            await relay.move()
        await relay.lose()

    async def meet(
        self, first: Relay, second: Relay, again: Sequence[Visit], *, falls: bool
    ) -> bool:
        """One relay has moved a batch and not yet committed it while another one moves its own.

        Visits that come `again` are recorded as well. Then the first commits, or falls.
        Returns false when the first one's batch ended the connection before anything else was done.
        """
        connection = await first.connected()
        tasks: list[asyncio.Future[object]] = []
        with suppress(psycopg.OperationalError):
            async with connection.transaction():
                await first.mover.move(connection)
                tasks.append(asyncio.ensure_future(second.move()))
                tasks.append(asyncio.ensure_future(self.record(again, None)))
                await self._stuck(tasks)
                assert [] == await self._differences()
                if falls:
                    terminate(self.database.conninfo, connection.info.backend_pid)
        if connection.closed or connection.broken:
            await first.lose()
        return bool(await asyncio.gather(*tasks))

    async def _stuck(self, tasks: Sequence[asyncio.Future[object]]) -> None:
        """Return when each task is done or waits for a lock."""
        async with asyncio.timeout(20):
            while True:
                running = sum(not task.done() for task in tasks)
                if not running or await waits_for_lock(self.operator, running):
                    return
                await asyncio.sleep(0.002)
