"""Emptying the outbox without PgQueuer."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from relay.drain import drain
from relay.events import PendingEvent
from service.contract.postgres import Database
from tests.relay.conftest import MakeMover
from tests.support.ledger import (
    count,
    held,
    make_event,
    make_events,
    make_link,
    message_ids,
    until,
)


async def test_returns_when_nothing_is_due(db: AsyncConnection, make_mover: MakeMover) -> None:
    """Batch after batch until nothing is due; what is deferred stays and is told."""
    link = await make_link(db)
    await make_events(db, link, 25)
    deferred = await make_event(db, link)
    await db.execute(
        "UPDATE outbox SET available_at = now() + interval '1 hour', attempts = 13"
        " WHERE message_id = %s",
        [deferred],
    )
    left = await drain(db, make_mover(batch_size=10, backoff_seconds=1.0), wait=False)
    assert {deferred} == await message_ids(db, "outbox")
    assert 25 == await count(db, "clicks")
    assert (0, 1, 0) == (left.due, left.deferred, left.dead_letters)
    assert left.next_due is not None
    assert 3500 < left.next_due <= 3600


async def test_a_clock_that_was_ahead(db: AsyncConnection, make_mover: MakeMover) -> None:
    """Events recorded and deferred by a clock that was 40 days ahead are due at once."""
    link = await make_link(db)
    await make_events(db, link, 25)
    await db.execute(
        "UPDATE outbox SET occurred_at = now() + interval '40 days',"
        " available_at = now() + interval '40 days', attempts = id % 3"
    )
    left = await drain(db, make_mover(batch_size=10), wait=False)
    assert (0, 0, None) == (left.due, left.deferred, left.next_due)
    assert 25 == await count(db, "clicks")


async def test_an_empty_outbox(db: AsyncConnection, make_mover: MakeMover) -> None:
    """With nothing to do it ends at once, waiting or not."""
    assert None is (await drain(db, make_mover(), wait=False)).next_due
    assert None is (await drain(db, make_mover(), wait=True)).next_due


async def test_waiting_goes_to_the_end(db: AsyncConnection, make_mover: MakeMover) -> None:
    """With `wait` each event is tried again until it is a click or a dead letter."""
    link = await make_link(db)
    hopeless = await make_event(db, link)
    late = await make_event(db, link)

    def handle(event: PendingEvent) -> None:
        if event.message_id == hopeless or event.attempts < 2:
            raise RuntimeError("drill")

    left = await drain(db, make_mover(handle=handle, backoff_seconds=0.05), wait=True)
    assert (0, 0, 1) == (left.due, left.deferred, left.dead_letters)
    assert {late} == await message_ids(db, "clicks")
    assert {hopeless} == await message_ids(db, "dead_letters")
    cursor = await db.execute("SELECT attempts FROM clicks")
    assert [(3,)] == await cursor.fetchall()


async def test_waits_for_what_another_holds(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """Events that another relay has claimed are still due: it looks until they are through."""
    await make_events(db, await make_link(db), 3)
    free = await make_link(db, "free")

    async def one_counted() -> bool:
        return 1 == await count(db, "clicks")

    async with await database.aconnect() as other:
        with held(database.conninfo, "SELECT FROM outbox FOR UPDATE"):
            draining = asyncio.create_task(drain(other, make_mover(), wait=False))
            await make_events(db, free, 1)
            await until(one_counted)
            assert not draining.done()
        await draining
    assert (4, 0) == (await count(db, "clicks"), await count(db, "outbox"))
