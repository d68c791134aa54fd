"""Rollups equal clicks: finding where they do not, and mending exactly that."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg import AsyncConnection

from relay import chores
from relay.mover import Mover
from relay.store.rollups import (
    Difference,
    rollups_lock,
    rollups_rebuild,
    rollups_verify,
)
from service.contract.events import LinkId
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.store.links import link_delete
from tests.relay.conftest import MakeMover
from tests.support.ledger import (
    count,
    held,
    make_event,
    make_events,
    make_link,
    rollups_equal_clicks,
    until,
    waits_for_lock,
)

PLANTED = {
    "missing": "DELETE FROM clicks_hourly WHERE hour = '2026-11-24 11:00+00'",
    "surplus": "INSERT INTO clicks_hourly SELECT id, '2026-11-24 23:00+00', 3 FROM links",
    "too high": "UPDATE clicks_hourly SET clicks = 9 WHERE hour = '2026-11-24 10:00+00'",
    "too low": "UPDATE clicks_hourly SET clicks = 1 WHERE hour = '2026-11-24 10:00+00'",
    "shifted": "UPDATE clicks_hourly SET hour = '2026-11-24 12:30+00'"
    " WHERE hour = '2026-11-24 12:00+00'",
}

FOUND = {
    "missing": [(11.0, 0, 1)],
    "surplus": [(23.0, 3, 0)],
    "too high": [(10.0, 9, 2)],
    "too low": [(10.0, 1, 2)],
    "shifted": [(12.0, 0, 1), (12.5, 1, 0)],
}


@pytest.fixture
async def link(db: AsyncConnection, mover: Mover) -> LinkId:
    """A link with two clicks at 10, one at 11 and one at 12 o'clock UTC."""
    link = await make_link(db)
    for at in ("10:00:00", "10:59:59", "11:00:00", "12:30:00"):
        await make_event(db, link, at=f"2026-11-24 {at}+00")
    await mover.move(db)
    return link


async def differences(db: AsyncConnection) -> list[Difference]:
    """What verify finds."""
    return [each async for each in rollups_verify(db)]


async def test_equal(db: AsyncConnection, link: LinkId) -> None:
    """What the mover wrote is without a difference, and a rebuild changes no row of it."""
    before = await (await db.execute("SELECT ctid, * FROM clicks_hourly")).fetchall()
    assert [] == await differences(db)
    assert 0 == await rollups_rebuild(db)
    assert before == await (await db.execute("SELECT ctid, * FROM clicks_hourly")).fetchall()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("kind", PLANTED)
async def test_planted_differences_are_found_and_mended(
    db: AsyncConnection, link: LinkId, kind: str, zone: str
) -> None:
    """Verify names each planted difference and no other; rebuild mends just these, once."""
    await db.execute("SELECT set_config('TimeZone', %s, false)", [zone])
    await db.execute(PLANTED[kind].encode())
    rows = "SELECT ctid FROM clicks_hourly WHERE hour <> ALL(%s) ORDER BY 1"
    found = await differences(db)
    assert FOUND[kind] == [
        (each.hour.timestamp() / 3600 % 24, each.rollup, each.clicks) for each in found
    ]
    hours = [each.hour for each in found]
    right = await (await db.execute(rows, [hours])).fetchall()
    assert len(found) == await rollups_rebuild(db)
    assert right == await (await db.execute(rows, [hours])).fetchall()
    assert [] == await differences(db)
    assert await rollups_equal_clicks(db)
    assert 0 == await rollups_rebuild(db)


async def test_clicks_of_nobody_are_found(db: AsyncConnection, link: LinkId) -> None:
    """A click that was put in by hand, without its rollup, is a difference."""
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at)"
        " VALUES (gen_random_uuid(), 999, '2026-11-24 10:00+00')"
    )
    (found,) = await differences(db)
    assert (999, 0, 1) == (found.link_id, found.rollup, found.clicks)


async def test_rebuild_waits_for_the_batch_in_flight(
    db: AsyncConnection, database: Database, mover: Mover
) -> None:
    """A batch that has claimed, but not committed, is waited for and counted."""
    link = await make_link(db)
    await make_events(db, link, 5)
    blocker = f"INSERT INTO clicks_hourly VALUES ({link}, date_trunc('hour', now(), 'UTC'), 0)"

    async def rebuild() -> int:
        async with await database.aconnect() as connection, connection.transaction():
            await rollups_lock(connection)
            return await rollups_rebuild(connection)

    async with await database.aconnect() as other:
        with held(database.conninfo, blocker):
            move = asyncio.create_task(mover.move(other))
            await until(lambda: waits_for_lock(db, 1))
            rebuilding = asyncio.create_task(rebuild())
            await until(lambda: waits_for_lock(db, 2))
        await move
        assert 0 == await rebuilding
    assert 5 == await count(db, "clicks")
    assert await rollups_equal_clicks(db)


async def test_a_batch_waits_for_the_rebuild(
    db: AsyncConnection, database: Database, mover: Mover
) -> None:
    """While a rebuild is at work no batch begins; afterwards all of it is counted once."""
    await make_events(db, await make_link(db), 5)
    async with await database.aconnect() as other:
        async with db.transaction():
            await rollups_lock(db)
            move = asyncio.create_task(mover.move(other))
            await until(lambda: waits_for_lock(db, 1))
            assert 0 == await rollups_rebuild(db)
        await move
    assert 5 == await count(db, "clicks")
    assert await rollups_equal_clicks(db)


@pytest.mark.parametrize("looking", ["verify", "rebuild"])
async def test_strays_on_the_move(
    db: AsyncConnection, database: Database, mover: Mover, looking: str
) -> None:
    """Clicks that move to their month just then are seen there: no difference, nothing to mend."""
    await make_events(db, await make_link(db), 5)
    await mover.move(db)
    assert 5 == await count(db, "clicks_default")

    async def look() -> object:
        async with await database.aconnect() as connection, connection.transaction():
            if looking == "verify":
                return await differences(connection)
            return [None] * await rollups_rebuild(connection)

    async with await database.aconnect() as other:
        async with other.transaction():
            await other.execute("SELECT clicks_partition_make(now())")
            looked = asyncio.create_task(look())
            await until(lambda: waits_for_lock(db, 1))
        assert [] == await looked
    assert 0 == await count(db, "clicks_default")
    assert await rollups_equal_clicks(db)


async def test_verify_holds_no_batch_up(
    db: AsyncConnection, database: Database, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """With a verify in its middle, all its locks held, batches of both kinds and a purge go on."""
    link = await make_link(db)
    await make_events(db, link, 5)
    await make_mover().move(db)
    async with await database.aconnect() as other, other.transaction():
        assert [] == await differences(other)
        await make_events(db, link, 5)
        await db.execute("SET lock_timeout = '1ms'")
        await make_mover().move(db)
        await make_events(db, link, 5)
        await make_mover(handle=lambda _: None).move(db)
        assert 15 == await count(db, "clicks")
        assert await link_delete(db, link)
        await chores.purge_links(db, observed.append, asyncio.Event())
        assert (0, 0) == (await count(db, "clicks"), await count(db, "clicks_hourly"))


async def test_the_lock_is_not_waited_for_for_ever(db: AsyncConnection, database: Database) -> None:
    """A batch that hangs makes rollups_lock raise after a second, and the patience ends with it."""
    share = "SELECT pg_advisory_xact_lock_shared(7204316012)"
    with held(database.conninfo, share), pytest.raises(psycopg.errors.LockNotAvailable):
        async with db.transaction():
            await rollups_lock(db)
    cursor = await db.execute("SHOW lock_timeout")
    assert [("0",)] == await cursor.fetchall()
