"""What an operator wants to know first."""

from __future__ import annotations

from psycopg import AsyncConnection

from relay.backoff import longest_waits
from relay.chores import make_partitions
from relay.mover import Mover
from relay.session import LISTENER
from relay.store.status import relay_status, server_strain
from service.contract.postgres import Database
from tests.relay.conftest import MakeMover
from tests.support.bouncer import bounced
from tests.support.ledger import make_event, make_events, make_link

WAITS = longest_waits(900.0)


async def test_an_empty_pipeline(db: AsyncConnection) -> None:
    """Where there is nothing to tell, numbers are 0 and the rest is None."""
    status = await relay_status(db, WAITS)
    assert (0, 0, 0, 0) == (
        status.outbox_due,
        status.outbox_deferred,
        status.outbox_retried,
        status.outbox_most_attempts,
    )
    assert (None, None) == (status.oldest_due_seconds, status.next_due_seconds)
    assert (0, None, None, 0) == (
        status.dead_letters,
        status.last_dead_at,
        status.last_click_at,
        status.links_to_purge,
    )


async def test_a_busy_pipeline(
    db: AsyncConnection, database: Database, mover: Mover, make_mover: MakeMover
) -> None:
    """Due, deferred, dead, counted, to be purged, relays at work: each is told."""
    link = await make_link(db)
    await make_event(db, link)
    await mover.move(db)
    await make_events(db, link, 1)
    await make_mover(handle=lambda _: 1 / 0, max_attempts=1).move(db)
    await make_events(db, link, 2)
    await make_mover(handle=lambda _: 1 / 0, backoff_seconds=900.0).move(db)
    await make_events(db, link, 3)
    await db.execute("INSERT INTO deleted_links (link_id) VALUES (999)")
    await make_partitions(db, lambda _: None)
    async with await database.aconnect(LISTENER):
        status = await relay_status(db, WAITS)
    assert (3, 2, 2, 1) == (
        status.outbox_due,
        status.outbox_deferred,
        status.outbox_retried,
        status.outbox_most_attempts,
    )
    assert (1, 1, 1) == (status.dead_letters, status.links_to_purge, status.relays)
    assert status.last_click_at is not None
    assert "2026-11-24T10:30:00+00:00" == status.last_click_at.isoformat()
    assert status.next_due_seconds is not None
    assert 0 < status.next_due_seconds <= 1080
    assert status.last_partition is not None
    assert status.last_partition.startswith("clicks_2")


async def test_behind_a_pooler(database: Database) -> None:
    """How many relays there are nobody can see there: not none, but unknown."""
    with bounced(database) as bouncer:
        async with await bouncer.database.aconnect() as connection:
            assert None is (await relay_status(connection, WAITS)).relays


async def test_an_old_view_is_told(db: AsyncConnection, database: Database) -> None:
    """By the transactions since it was taken; nothing of it is left once it has ended."""
    async with await database.aconnect("holder") as holder:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holder.execute("SELECT 1")
        for _ in range(5):
            await db.execute("SELECT pg_current_xact_id()")
        strain = await server_strain(db)
        # A role that may not look into other sessions sees this much.
        await db.execute("SET ROLE pg_signal_backend")
        seen = await server_strain(db)
        await db.execute("RESET ROLE")
    assert strain.held_back >= 5
    assert strain.held_back <= seen.held_back
    assert 0.0 <= strain.notifications < 0.5
