"""An action on many dead letters: batches, each whole and on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

import relay.throttle
from relay.store.dead_letter_actions import Action, Order
from relay.store.dead_letters import Choice
from relay.throttle import Throttle
from relay.triage import Progress, act
from service.contract.events import MessageId
from service.contract.postgres import Database
from tests.relay.conftest import MakeMover, one_pass
from tests.support.ledger import (
    count,
    first,
    held,
    make_events,
    make_link,
    message_ids,
    rollups_equal_clicks,
    terminate,
    until,
    waits_for_lock,
)

IDS = [MessageId(UUID(int=10 * n)) for n in range(1, 26)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of ten."""
    monkeypatch.setattr(relay.throttle, "BATCH", 10)


@pytest.fixture(autouse=True)
async def letters(db: AsyncConnection) -> None:
    """25 letters of one link, the last five of a class of their own."""
    await letters_again(db, await make_link(db), IDS)


async def letters_again(db: AsyncConnection, link: int, ids: list[MessageId]) -> None:
    """Make dead letters of these ids."""
    await db.execute(
        "INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts,"
        " error_class, error_message, first_failed_at)"
        " SELECT id, %s, '2026-11-24 10:30+00', '{}', 5,"
        " CASE WHEN id > %s THEN 'OSError' ELSE 'KeyError' END, 'no ' || id, now()"
        " FROM unnest(%s::uuid[]) AS id",
        [link, IDS[19], ids],
    )


def order(
    action: Action = "replay", choice: Choice | None = None, most: int | None = None
) -> Order:
    """An order as a person gives it."""
    return Order(action, choice or Choice(), "ada", "drill", most)


async def do(
    db: AsyncConnection,
    order: Order,
    tell: Callable[[Progress], None] = lambda _: None,
    rate: float | None = None,
) -> Progress:
    """Carry an order out."""
    return await act(db, order, Throttle(rate, asyncio.get_running_loop().time), tell)


async def records(db: AsyncConnection) -> list[tuple[object, ...]]:
    """The record: of each action how much was planned, done and named, in order."""
    cursor = await db.execute(
        "SELECT action, planned, events, (SELECT count(*) FROM dead_letter_action_events"
        " WHERE action_id = id) FROM dead_letter_actions ORDER BY id"
    )
    return await cursor.fetchall()


async def once(db: AsyncConnection) -> bool:
    """Whether each letter's event is in exactly one place, and in the record once if it moved."""
    cursor = await db.execute(
        "SELECT message_id FROM dead_letters UNION ALL SELECT message_id FROM outbox"
        " UNION ALL SELECT message_id FROM clicks"
    )
    places = sorted(each for (each,) in await cursor.fetchall())
    cursor = await db.execute(
        "SELECT message_id FROM dead_letter_action_events UNION ALL"
        " SELECT message_id FROM dead_letters"
    )
    known = sorted(each for (each,) in await cursor.fetchall())
    return IDS == places == known


async def test_batch_by_batch(db: AsyncConnection) -> None:
    """Oldest first, ten at a time, each batch told when it is done; one record over all of them."""
    told: list[Progress] = []
    done = await do(db, order(), told.append)
    assert [10, 20, 25] == [each.events for each in told]
    assert {25} == {each.planned for each in told}
    assert told[-1] == done
    cursor = await db.execute("SELECT message_id FROM outbox ORDER BY id")
    assert IDS == [each for (each,) in await cursor.fetchall()]
    assert [("replay", 25, 25, 25)] == await records(db)


@pytest.mark.parametrize("action", ["replay", "discard"])
async def test_twice_changes_nothing(db: AsyncConnection, action: Action) -> None:
    """The second time nothing matches: no change, and no record of one."""
    await do(db, order(action))
    before = await records(db), await message_ids(db, "outbox")
    assert Progress() == await do(db, order(action))
    assert before == (await records(db), await message_ids(db, "outbox"))


async def test_canary(db: AsyncConnection) -> None:
    """Only so many, the oldest, over several batches if need be; then the next ones."""
    assert 3 == (await do(db, order(most=3))).events
    assert set(IDS[:3]) == await message_ids(db, "outbox")
    assert 12 == (await do(db, order(most=12))).events
    assert set(IDS[:15]) == await message_ids(db, "outbox")
    chosen = Choice(error_class="OSError")
    assert 5 == (await do(db, order(choice=chosen, most=100))).events
    assert set(IDS[15:20]) == await message_ids(db, "dead_letters")
    cursor = await db.execute("SELECT choice FROM dead_letter_actions ORDER BY id")
    assert [{"canary": 3}, {"canary": 12}, {"canary": 100, "error_class": "OSError"}] == [
        each for (each,) in await cursor.fetchall()
    ]


async def test_the_record(db: AsyncConnection) -> None:
    """Who, what, which, why, and each letter with its error."""
    await do(db, order("discard", Choice(IDS[:1], "KeyError", "hello")))
    cursor = await db.execute(
        "SELECT action, role = session_user, os_user, choice, reason, at <= last_at,"
        " message_id, link_id, occurred_at = '2026-11-24 10:30+00', attempts,"
        " fingerprint = error_fingerprint(error_class, error_message), error_class, error_message"
        " FROM dead_letter_actions JOIN dead_letter_action_events ON action_id = id"
    )
    choice = {"message_ids": [str(IDS[0])], "error_class": "KeyError", "code": "hello"}
    (link,) = await (await db.execute("SELECT id FROM links")).fetchall()
    action = ("discard", True, "ada", choice, "drill", True)
    letter = (IDS[0], link[0], True, 5, True, "KeyError", f"no {IDS[0]}")
    assert [action + letter] == await cursor.fetchall()


async def test_no_discard_without_a_reason(db: AsyncConnection) -> None:
    """The schema itself refuses a discard that says nothing about why."""
    for reason in (None, "", " \n"):
        with pytest.raises(psycopg.errors.CheckViolation):
            await do(db, Order("discard", Choice(), "ada", reason))
    assert set(IDS) == await message_ids(db, "dead_letters")
    assert [] == await records(db)


async def test_rate(db: AsyncConnection) -> None:
    """No faster than asked: 25 at 40 a second, in tens, take as long as the first 20."""
    clock = asyncio.get_running_loop().time
    started = clock()
    await do(db, order(), rate=40)
    assert clock() - started >= 20 / 40


async def test_what_dies_again_is_left(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """A cause that is not mended: each event is replayed once, although a relay buries it again."""

    def handle(_: object) -> None:
        raise KeyError("still")

    killer = make_mover(handle=handle, max_attempts=1)
    async with await database.aconnect() as other:
        work = asyncio.create_task(do(db, order(), rate=100))
        while not work.done():
            await one_pass(killer, other)
            await asyncio.sleep(0)
        await one_pass(killer, other)
    assert 25 == (await work).events
    assert [("replay", 25, 25, 25)] == await records(db)
    assert set(IDS) == await message_ids(db, "dead_letters")


def burying(other: psycopg.Connection, *numbers: int) -> Callable[[Progress], None]:
    """Makes one letter more after each batch, of these ids in turn."""
    ids = iter(numbers)

    def bury(_: Progress) -> None:
        other.execute(
            "INSERT INTO dead_letters SELECT %s, link_id, occurred_at, event, attempts,"
            " error_class, error_message, first_failed_at FROM dead_letters LIMIT 1",
            [UUID(int=next(ids))],
        )

    return bury


async def test_what_comes_meanwhile_is_left(db: AsyncConnection, database: Database) -> None:
    """Letters newer than the last that matched at the start are not of this action: it ends."""
    with database.connect() as other:
        assert Progress(1, 25, 25) == await do(db, order(), burying(other, 1000, 1001, 1002))
    assert {UUID(int=n) for n in (1000, 1001, 1002)} == await message_ids(db, "dead_letters")


async def test_a_canary_is_no_more(db: AsyncConnection, database: Database) -> None:
    """A letter that comes in between takes a later one's place: so many is so many."""
    with database.connect() as other:
        assert Progress(1, 12, 12) == await do(db, order(most=12), burying(other, 105, 1000))
    assert {*IDS[:11], UUID(int=105)} == await message_ids(db, "outbox")


async def test_while_the_relay_runs(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """Replay and relay at the same time: each event a click once, rollups equal."""
    async with await database.aconnect() as other:
        work = asyncio.create_task(do(db, order(), rate=200))
        mover = make_mover(batch_size=3)
        while not work.done():
            await one_pass(mover, other)
            await asyncio.sleep(0)
        await one_pass(mover, other)
    assert 25 == (await work).events
    assert set(IDS) == await message_ids(db, "clicks")
    assert await rollups_equal_clicks(db)


async def test_a_counted_event_counts_nothing(db: AsyncConnection, make_mover: MakeMover) -> None:
    """A letter whose click was counted meanwhile is replayed, and adds nothing."""
    await db.execute(
        "WITH click AS (INSERT INTO clicks (message_id, link_id, occurred_at)"
        " SELECT message_id, link_id, occurred_at FROM dead_letters LIMIT 7 RETURNING *)"
        " INSERT INTO clicks_hourly SELECT link_id, date_trunc('hour', occurred_at, 'UTC'), count(*)"
        " FROM click GROUP BY 1, 2"
    )
    await do(db, order())
    await one_pass(make_mover(), db)
    assert (0, 25) == (await count(db, "outbox"), await count(db, "clicks"))
    assert await rollups_equal_clicks(db)


async def test_an_event_of_a_deleted_link_vanishes(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """Replayed after its link is gone an event is no click and no dead letter."""
    await db.execute("DELETE FROM links")
    assert 25 == (await do(db, order())).events
    await one_pass(make_mover(), db)
    assert [0, 0, 0] == [await count(db, each) for each in ("outbox", "clicks", "dead_letters")]


async def test_two_at_once(db: AsyncConnection, database: Database) -> None:
    """Two people with the same order: each letter is taken by one of them, none by both."""
    async with await database.aconnect() as other:
        both = await asyncio.gather(do(db, order()), do(other, order()))
    assert 25 == sum(each.events for each in both)
    assert await once(db)
    cursor = await db.execute("SELECT sum(events)::int FROM dead_letter_actions")
    assert 25 == await first(cursor)


async def test_a_letter_that_somebody_takes(db: AsyncConnection, database: Database) -> None:
    """Letters taken while the action waits for them are not its own; those behind still are."""
    taken = f"DELETE FROM dead_letters WHERE message_id <= '{IDS[11]}'"
    with held(database.conninfo, taken) as other:
        async with await database.aconnect() as mine:
            work = asyncio.create_task(do(mine, order()))
            await until(lambda: waits_for_lock(db))
            other.commit()
            assert 13 == (await work).events
    assert set(IDS[12:]) == await message_ids(db, "outbox")
    assert [("replay", 25, 13, 13)] == await records(db)


async def test_cut_off_in_a_batch(db: AsyncConnection, database: Database) -> None:
    """A lost connection: whole batches are done and on record, and the same order does the rest."""
    with held(
        database.conninfo, f"SELECT FROM dead_letters WHERE message_id = '{IDS[14]}' FOR UPDATE"
    ):
        async with await database.aconnect() as mine:
            work = asyncio.create_task(do(mine, order()))
            await until(lambda: waits_for_lock(db))
            terminate(database.conninfo, mine.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                await work
    assert set(IDS[:10]) == await message_ids(db, "outbox")
    assert await once(db)
    assert 15 == (await do(db, order())).events
    assert [("replay", 25, 10, 10), ("replay", 15, 15, 15)] == await records(db)
    assert await once(db)


async def test_cut_off_in_the_first_batch(db: AsyncConnection, database: Database) -> None:
    """What did nothing is not on record."""
    with held(
        database.conninfo, f"SELECT FROM dead_letters WHERE message_id = '{IDS[4]}' FOR UPDATE"
    ):
        async with await database.aconnect() as mine:
            work = asyncio.create_task(do(mine, order("discard")))
            await until(lambda: waits_for_lock(db))
            terminate(database.conninfo, mine.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                await work
    assert [] == await records(db)
    assert set(IDS) == await message_ids(db, "dead_letters")


async def test_a_deadlock_costs_a_try(db: AsyncConnection, database: Database) -> None:
    """Chosen as the victim of a deadlock a batch is tried again, and nothing is on record twice."""
    lock = "SELECT FROM dead_letters WHERE message_id = '%s' FOR UPDATE"
    with (
        held(database.conninfo, lock % IDS[5]) as gate,
        held(database.conninfo, "SET deadlock_timeout = '1h'") as other,
    ):
        other.execute((lock % IDS[8]).encode())
        async with await database.aconnect() as mine:
            await mine.execute("SET deadlock_timeout = '10ms'")
            work = asyncio.create_task(do(mine, order()))
            await until(lambda: waits_for_lock(db))
            wish = asyncio.create_task(asyncio.to_thread(other.execute, (lock % IDS[2]).encode()))
            await until(lambda: waits_for_lock(db, 2))
            # Now it goes on to what the other holds, which waits for what it holds itself.
            gate.rollback()
            await wish
            other.rollback()
            assert 25 == (await work).events
    assert [("replay", 25, 25, 25)] == await records(db)
    assert await once(db)


async def test_events_from_the_relay_itself(db: AsyncConnection, make_mover: MakeMover) -> None:
    """Letters that a relay buried come back with what the browser said, and no attempts."""
    await db.execute("DELETE FROM dead_letters")
    (link,) = await (await db.execute("SELECT id FROM links")).fetchall()
    await make_events(db, link[0], 3)
    await db.execute("UPDATE outbox SET referrer = 'https://r.example/', user_agent = 'Agent'")
    kept = "SELECT message_id, link_id, occurred_at, referrer, user_agent, attempts FROM outbox ORDER BY 1"  # fmt: skip
    before = await (await db.execute(kept)).fetchall()

    def handle(_: object) -> None:
        raise KeyError("drill")

    await one_pass(make_mover(handle=handle, max_attempts=1), db)
    assert 3 == (await do(db, order())).events
    assert before == await (await db.execute(kept)).fetchall()
