"""One batch, one transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from relay.blame import TRIES
from relay.events import PendingEvent
from relay.mover import Mover
from relay.store.dead_letters import Choice, dead_letters_rehearse
from relay.store.outbox import outbox_claim_fresh
from service.contract.events import MessageId, new_message_id
from service.contract.observations import (
    BatchMoved,
    EventBuried,
    EventFailed,
    EventSetAside,
    Observation,
)
from service.contract.postgres import Database
from tests.relay.conftest import MakeMover, batches, one_pass
from tests.support.ledger import (
    count,
    do_on_insert,
    first,
    make_event,
    make_events,
    make_link,
    message_ids,
    refuse,
    rollups,
    rollups_equal_clicks,
    terminate,
)


async def test_every_event_becomes_a_click(
    db: AsyncConnection, mover: Mover, observed: list[Observation]
) -> None:
    """n events become n clicks, the outbox is empty, the rollup is n, one line tells it."""
    sent = await make_events(db, await make_link(db), 100)
    assert not await mover.move(db)
    assert set(sent) == await message_ids(db, "clicks")
    assert 0 == await count(db, "outbox")
    assert await rollups_equal_clicks(db)
    (line,) = batches(observed)
    assert (100, 100, 0, 0, 0, 0) == (
        line.claimed,
        line.moved,
        line.duplicates,
        line.orphans,
        line.retried,
        line.buried,
    )


async def test_a_click_keeps_what_the_event_held(db: AsyncConnection, mover: Mover) -> None:
    """Link, time, referrer and user agent arrive as they were recorded."""
    link = await make_link(db)
    await make_event(db, link, user_agent="Ünïcode/1.0", referrer="https://example.org/?a='b'")
    await mover.move(db)
    cursor = await db.execute(
        "SELECT link_id, occurred_at = '2026-11-24 10:30:00+00', user_agent, referrer, attempts"
        " FROM clicks"
    )
    assert [(link, True, "Ünïcode/1.0", "https://example.org/?a='b'", 1)] == await cursor.fetchall()


async def test_nothing_due(db: AsyncConnection, mover: Mover, observed: list[Observation]) -> None:
    """An empty outbox is a short batch and not worth a line."""
    assert not await mover.move(db)
    assert [] == observed


async def test_a_full_batch_asks_for_another(db: AsyncConnection, make_mover: MakeMover) -> None:
    """A batch as large as allowed says that there may be more, a smaller one that there is not."""
    mover = make_mover(batch_size=4)
    await make_events(db, await make_link(db), 7)
    assert await mover.move(db)
    assert 4 == await count(db, "clicks")
    assert not await mover.move(db)
    assert 7 == await count(db, "clicks")


async def test_a_slow_batch_is_followed_by_a_smaller_one(
    db: AsyncConnection,
    make_mover: MakeMover,
    observed: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Batches halve while they are slow, never below one event, and double when they are not."""
    link = await make_link(db)
    for _ in range(32):
        await make_event(db, link)
    mover = make_mover(batch_size=8)
    monkeypatch.setattr("relay.pace.SLOW", 0.0)
    for _ in range(5):
        assert await mover.move(db)
    monkeypatch.setattr("relay.pace.SLOW", 60.0)
    await one_pass(mover, db)
    sizes = [each.claimed for each in observed if isinstance(each, BatchMoved)]
    assert [8, 4, 2, 1, 1, 1, 2, 4, 8, 1] == sizes


async def test_suspects_do_not_end_a_pass(db: AsyncConnection, make_mover: MakeMover) -> None:
    """A short batch of suspects in the middle of a backlog of fresh events is not the end of it."""
    sent = await make_events(db, await make_link(db), 7)
    await db.execute("UPDATE outbox SET attempts = 1 WHERE message_id = %s", [sent[0]])
    await one_pass(make_mover(batch_size=2), db)
    assert set(sent) == await message_ids(db, "clicks")


async def test_suspects_and_fresh_events_take_turns(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """However many events that failed before are due, a fresh one waits for one batch of them."""
    link = await make_link(db)
    await make_events(db, link, 20)
    await db.execute("UPDATE outbox SET attempts = 1")
    mover = make_mover(batch_size=2)
    assert await mover.move(db)
    assert await mover.move(db)
    assert 2 == await count(db, "clicks")
    fresh = await make_events(db, link, 1)
    assert await mover.move(db)
    assert set(fresh) <= await message_ids(db, "clicks")
    assert 3 == await count(db, "clicks")
    await one_pass(mover, db)
    assert 21 == await count(db, "clicks")


async def test_oldest_due_first(db: AsyncConnection, make_mover: MakeMover) -> None:
    """A batch takes the events that have been due for longest, and none that is not due yet."""
    sent = await make_events(db, await make_link(db), 4)
    for message_id, minutes in zip(sent, (-1, -3, -2, 5), strict=True):
        await db.execute(
            "UPDATE outbox SET available_at = now() + %s WHERE message_id = %s",
            [timedelta(minutes=minutes), message_id],
        )
    mover = make_mover(batch_size=2)
    await mover.move(db)
    assert {sent[1], sent[2]} == await message_ids(db, "clicks")
    await mover.move(db)
    assert {sent[3]} == await message_ids(db, "outbox")


async def test_duplicates_are_dropped(
    db: AsyncConnection, mover: Mover, observed: list[Observation]
) -> None:
    """An event that stands in clicks already leaves the outbox and adds nothing to the rollup."""
    link = await make_link(db)
    again = await make_event(db, link)
    await mover.move(db)
    await make_event(db, link, message_id=again)
    await make_event(db, link)
    await mover.move(db)
    assert 2 == await count(db, "clicks")
    assert 0 == await count(db, "outbox")
    assert {(link, "2026-11-24 10:00"): 2} == await rollups(db)
    line = batches(observed)[-1]
    assert (2, 1, 1) == (line.claimed, line.moved, line.duplicates)


async def test_links_and_hours_are_added_up(db: AsyncConnection, mover: Mover) -> None:
    """One batch of several links and hours, some of them twice, gives each hour its own number."""
    one, two = await make_link(db, "one"), await make_link(db, "two")
    for link, at in (
        (one, "2026-11-24 10:00:00+00"),
        (two, "2026-11-24 10:59:59.999999+00"),
        (one, "2026-11-24 10:59:59.999999+00"),
        (one, "2026-11-24 11:00:00+00"),
        (two, "2026-11-24 09:59:59.999999+00"),
        (one, "2026-11-24 10:15:00+00"),
    ):
        await make_event(db, link, at=at)
    await mover.move(db)
    expected = {
        (one, "2026-11-24 10:00"): 3,
        (one, "2026-11-24 11:00"): 1,
        (two, "2026-11-24 09:00"): 1,
        (two, "2026-11-24 10:00"): 1,
    }
    assert expected == await rollups(db)
    await make_event(db, one, at="2026-11-24 11:30:00+00")
    await mover.move(db)
    assert {**expected, (one, "2026-11-24 11:00"): 2} == await rollups(db)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"])
async def test_hours_are_of_utc(db: AsyncConnection, mover: Mover, zone: str) -> None:
    """A session in a zone off the full hour still counts UTC hours."""
    await db.execute("SELECT set_config('TimeZone', %s, false)", [zone])
    link = await make_link(db)
    await make_event(db, link, at="2026-11-24 10:05:00+00")
    await make_event(db, link, at="2026-11-24 10:55:00+00")
    await mover.move(db)
    assert {(link, "2026-11-24 10:00"): 2} == await rollups(db)


async def test_events_of_a_deleted_link_vanish(
    db: AsyncConnection, mover: Mover, observed: list[Observation]
) -> None:
    """They leave no click, no rollup, no dead letter and no failure; their neighbours land."""
    gone, kept = await make_link(db, "gone"), await make_link(db, "kept")
    await make_events(db, gone, 3)
    await make_events(db, kept, 2)
    await db.execute("DELETE FROM links WHERE id = %s", [gone])
    await mover.move(db)
    assert (2, 0, 0) == (
        await count(db, "clicks"),
        await count(db, "outbox"),
        await count(db, "dead_letters"),
    )
    assert await rollups_equal_clicks(db)
    (line,) = observed
    assert isinstance(line, BatchMoved)
    assert (5, 2, 3, 0) == (line.claimed, line.moved, line.orphans, line.retried)


async def test_a_failing_event_of_a_deleted_link_vanishes(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """Past the cap too, an event whose link is gone becomes no dead letter."""
    mover = make_mover(max_attempts=1, handle=lambda _: 1 / 0)
    gone = await make_link(db)
    await make_event(db, gone)
    await db.execute("DELETE FROM links")
    await mover.move(db)
    assert (0, 0) == (await count(db, "outbox"), await count(db, "dead_letters"))


async def test_one_events_failure_is_its_own(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """One event whose handling raises waits for its next try; all others land in the same pass."""
    sent = await make_events(db, await make_link(db), 20)

    def handle(event: PendingEvent) -> None:
        if event.message_id == sent[7]:
            raise RuntimeError("not this one")

    await make_mover(handle=handle, backoff_seconds=60.0).move(db)
    assert set(sent) - {sent[7]} == await message_ids(db, "clicks")
    cursor = await db.execute(
        "SELECT message_id, attempts, last_error, first_failed_at <= clock_timestamp(),"
        " available_at - first_failed_at BETWEEN interval '59.9 s' AND interval '60.1 s'"
        " FROM outbox"
    )
    assert [(sent[7], 1, "RuntimeError: not this one", True, True)] == await cursor.fetchall()
    assert [EventFailed(str(sent[7]), 1, "RuntimeError: not this one", 60.0)] == [
        each for each in observed if isinstance(each, EventFailed)
    ]
    assert await rollups_equal_clicks(db)


@pytest.mark.parametrize("poisoned", [{0}, {31}, {5, 6, 20}, set(range(32))], ids=str)
async def test_what_postgres_refuses_is_isolated(
    db: AsyncConnection, make_mover: MakeMover, poisoned: set[int]
) -> None:
    """Events that Postgres itself refuses are found wherever they stand; all others land."""
    link = await make_link(db)
    sent = [
        await make_event(db, link, user_agent="poison" if n in poisoned else None)
        for n in range(32)
    ]
    await refuse(db, "poison")
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert {sent[n] for n in poisoned} == await message_ids(db, "outbox")
    assert set(sent) - {sent[n] for n in poisoned} == await message_ids(db, "clicks")
    assert await rollups_equal_clicks(db)
    cursor = await db.execute("SELECT DISTINCT attempts, last_error FROM outbox")
    assert [(1, "DataException: refused poison")] == [
        (attempts, error.splitlines()[0]) for attempts, error in await cursor.fetchall()
    ]


async def test_a_constraint_isolates_too(db: AsyncConnection, make_mover: MakeMover) -> None:
    """A CHECK constraint that somebody added to clicks costs only the events that break it."""
    await db.execute("ALTER TABLE clicks ADD CONSTRAINT polite CHECK (referrer <> 'rude')")
    link = await make_link(db)
    rude = await make_event(db, link, referrer="rude")
    await make_event(db, link, referrer="kind")
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert {rude} == await message_ids(db, "outbox")
    assert 1 == await count(db, "clicks")


async def test_handled_as_often_as_allowed(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """An event is handled exactly five times, its attempts visible in between, then it is dead."""
    handled: list[int] = []

    def handle(event: PendingEvent) -> None:
        handled.append(event.attempts)
        raise RuntimeError(f"failure {len(handled)}")

    mover = make_mover(handle=handle)
    (sent,) = await make_events(db, await make_link(db), 1)
    seen: dict[tuple[int], None] = {}
    for _ in range(12):
        await mover.move(db)
        cursor = await db.execute("SELECT attempts FROM outbox")
        seen.update(dict.fromkeys(await cursor.fetchall()))
    assert [0, 1, 2, 3, 4] == handled
    assert [(1,), (2,), (3,), (4,)] == list(seen)
    assert {sent} == await message_ids(db, "dead_letters")
    assert (0, 0) == (await count(db, "outbox"), await count(db, "clicks"))
    assert [EventBuried(str(sent), 5, "RuntimeError: failure 5")] == [
        each for each in observed if isinstance(each, EventBuried)
    ]
    assert [0] * 4 + [1] == [line.buried for line in batches(observed)]


async def test_a_dead_letter_is_whole(db: AsyncConnection, make_mover: MakeMover) -> None:
    """A dead letter has the event as it came, the last error, the attempts and both times."""
    errors = iter(["the first", "the second", "the last, with \x00 and \udcff"])

    def handle(_: PendingEvent) -> None:
        raise LookupError(next(errors))

    mover = make_mover(handle=handle, max_attempts=3)
    link = await make_link(db)
    sent = await make_event(db, link, user_agent="Agent", referrer="https://example.org/")
    await mover.move(db)
    cursor = await db.execute("SELECT first_failed_at FROM outbox")
    first_failed = await cursor.fetchone()
    await one_pass(mover, db)
    cursor = await db.execute(
        "SELECT link_id, occurred_at = '2026-11-24 10:30:00+00', event, attempts, error_class,"
        " error_message, first_failed_at < dead_at FROM dead_letters"
    )
    event = {
        "message_id": str(sent),
        "link_id": link,
        "occurred_at": "2026-11-24T10:30:00+00:00",
        "referrer": "https://example.org/",
        "user_agent": "Agent",
    }
    expected = (link, True, event, 3, "LookupError", "the last, with \\0 and ?", True)
    assert [expected] == await cursor.fetchall()
    cursor = await db.execute("SELECT first_failed_at FROM dead_letters")
    assert first_failed == await cursor.fetchone()


async def test_an_only_attempt_has_both_times(db: AsyncConnection, make_mover: MakeMover) -> None:
    """With one attempt allowed the first failure is the last, and not after the death."""
    await make_events(db, await make_link(db), 1)
    await make_mover(max_attempts=1, handle=lambda _: 1 / 0).move(db)
    cursor = await db.execute(
        "SELECT attempts, error_class, first_failed_at <= dead_at FROM dead_letters"
    )
    assert [(1, "ZeroDivisionError", True)] == await cursor.fetchall()


async def test_delays_grow(db: AsyncConnection, make_mover: MakeMover) -> None:
    """Each failure is followed by a longer wait, with the backoff's base, double and jitter."""
    mover = make_mover(handle=lambda _: 1 / 0, backoff_seconds=100.0, chance=lambda: 0.0)
    await make_events(db, await make_link(db), 1)
    waits = []
    for _ in range(4):
        await db.execute("UPDATE outbox SET available_at = now()")
        await one_pass(mover, db)
        cursor = await db.execute(
            "SELECT round(extract(epoch FROM available_at - clock_timestamp()) / 10) FROM outbox"
        )
        waits.append(await first(cursor) * 10)
    assert [80, 160, 320, 640] == waits


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "57014", "55P03", "53100", "25006"])
async def test_a_transient_error_costs_nothing(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation], sqlstate: str
) -> None:
    """Whatever fails for a moment is raised and leaves every event of the batch as it was."""

    def handle(event: PendingEvent) -> None:
        if event.message_id == failing:
            raise RuntimeError("would cost an attempt")

    link = await make_link(db)
    failing = await make_event(db, link)
    for _ in range(10):
        await make_event(db, link, user_agent="moment")
    await refuse(db, "moment", sqlstate)
    before = await (await db.execute("SELECT * FROM outbox ORDER BY id")).fetchall()
    mover = make_mover(handle=handle, backoff_seconds=60.0)
    with pytest.raises(psycopg.Error) as raised:
        await mover.move(db)
    assert sqlstate == raised.value.sqlstate
    assert before == await (await db.execute("SELECT * FROM outbox ORDER BY id")).fetchall()
    assert (0, 0) == (await count(db, "clicks"), await count(db, "clicks_hourly"))
    assert [] == observed
    await db.execute("DROP TRIGGER refuse ON clicks")
    await one_pass(mover, db)
    assert {failing} == await message_ids(db, "outbox")


async def test_a_killed_backend_costs_nothing(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """A connection lost in the middle of a batch frees its events at once, attempts untouched."""
    sent = await make_events(db, await make_link(db), 10)
    async with await database.aconnect() as doomed:

        def handle(event: PendingEvent) -> None:
            if event.message_id == sent[5]:
                terminate(database.conninfo, doomed.info.backend_pid)

        with pytest.raises(psycopg.OperationalError):
            await make_mover(handle=handle).move(doomed)
    cursor = await db.execute("SELECT DISTINCT attempts, last_error FROM outbox")
    assert [(0, None)] == await cursor.fetchall()
    assert not await make_mover().move(db)
    assert set(sent) == await message_ids(db, "clicks")


async def test_a_claim_holds_nothing_up(
    db: AsyncConnection, database: Database, mover: Mover
) -> None:
    """Another mover passes over claimed events; when the claimer is killed it gets them at once."""
    link = await make_link(db)
    claimed = await make_events(db, link, 5)
    free: list[MessageId] = []
    async with await database.aconnect() as other:
        try:
            async with asyncio.timeout(20), other.transaction():
                assert 5 == len(await outbox_claim_fresh(other, 100))
                assert not await mover.move(db)
                assert 0 == await count(db, "clicks")
                free += await make_events(db, link, 3)
                await mover.move(db)
                assert set(free) == await message_ids(db, "clicks")
                terminate(database.conninfo, other.info.backend_pid)
        except psycopg.OperationalError:
            pass
    await mover.move(db)
    assert {*claimed, *free} == await message_ids(db, "clicks")
    assert await rollups_equal_clicks(db)


async def test_several_movers_never_meet(
    db: AsyncConnection, database: Database, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """Three movers at once handle each event once, on links they share, without a deadlock."""
    handled: Counter[MessageId] = Counter()
    links = [await make_link(db, f"link{n}") for n in range(20)]
    sent = set()
    for order in (links, links[::-1]) * 6:
        for link in order:
            sent.update(await make_events(db, link, 1))
    mover = make_mover(batch_size=20, handle=lambda event: handled.update([event.message_id]))

    async def work() -> None:
        async with await database.aconnect() as connection:
            while await mover.move(connection):
                pass

    await asyncio.gather(work(), work(), work())
    assert sent == await message_ids(db, "clicks")
    assert {1} == set(handled.values())
    assert (len(sent), 0) == (
        sum(line.moved for line in batches(observed)),
        sum(line.duplicates for line in batches(observed)),
    )
    assert await rollups_equal_clicks(db)


async def test_opposite_orders_do_not_deadlock(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """Two batches with the same links in opposite order take the rollups' rows in one order."""
    links = [await make_link(db, f"link{n}") for n in range(10)]
    for link in [*links, *links[::-1]]:
        await make_event(db, link)
    # Each row takes its time: the batches meet in the middle if their orders differ.
    await db.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END'"
    )
    await db.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON clicks_hourly FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    mover = make_mover(batch_size=10)
    async with await database.aconnect() as other:
        await asyncio.gather(mover.move(db), mover.move(other))
    assert 20 == await count(db, "clicks")
    assert {2} == set((await rollups(db)).values())


@pytest.mark.parametrize("at", ["infinity", "-infinity", "99999-01-01 00:00:00+00", "1969-12-31"])
async def test_an_impossible_time_is_the_events_fault(
    db: AsyncConnection, make_mover: MakeMover, at: str
) -> None:
    """An event of no time we can show becomes a dead letter; its neighbours land at once."""
    mover = make_mover(max_attempts=2)
    link = await make_link(db)
    bad = await make_event(db, link, at=at)
    good = await make_events(db, link, 3)
    await one_pass(mover, db)
    assert set(good) == await message_ids(db, "clicks")
    assert {bad} == await message_ids(db, "dead_letters")
    cursor = await db.execute("SELECT error_class, occurred_at::text FROM dead_letters")
    ((error_class, occurred),) = await cursor.fetchall()
    assert "CheckViolation" == error_class
    assert occurred.startswith(at[:9])


async def test_a_counted_event_is_not_buried(db: AsyncConnection, make_mover: MakeMover) -> None:
    """An event that was counted and comes again, failing, becomes no dead letter."""
    link = await make_link(db)
    sent = await make_event(db, link)
    await make_mover().move(db)
    await make_event(db, link, message_id=sent)
    await make_mover(max_attempts=1, handle=lambda _: 1 / 0).move(db)
    assert (0, 0) == (await count(db, "outbox"), await count(db, "dead_letters"))
    assert 1 == await count(db, "clicks")


async def test_a_counted_event_is_dead_no_more(db: AsyncConnection, make_mover: MakeMover) -> None:
    """A dead letter whose event comes again, by a retried COMMIT, and is counted goes away."""
    link = await make_link(db)
    sent = await make_event(db, link)
    await make_mover(max_attempts=1, handle=lambda _: 1 / 0).move(db)
    assert {sent} == await message_ids(db, "dead_letters")
    await make_event(db, link, message_id=sent)
    await make_mover().move(db)
    assert (0, 1) == (await count(db, "dead_letters"), await count(db, "clicks"))
    assert 0 == (await dead_letters_rehearse(db, Choice())).events


async def test_two_relays_judge_one_event(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """Two relays that put an error down to the same handling of an event charge it once."""
    sent = await make_event(db, await make_link(db), user_agent="hang")
    await db.execute("UPDATE outbox SET attempts = 1")
    await refuse(db, "hang", "57014")
    movers = [make_mover(max_attempts=3) for _ in range(2)]
    # In turn, so that each has its three failures, and its verdict, before either has charged it.
    for _ in range(4 * (TRIES + 1)):
        for mover in movers:
            with suppress(psycopg.errors.QueryCanceled):
                await mover.move(db)
    assert {sent} == await message_ids(db, "dead_letters")
    cursor = await db.execute("SELECT attempts FROM dead_letters")
    assert [(3,)] == await cursor.fetchall()


async def test_what_passes_in_between_clears_no_event(
    db: AsyncConnection,
    database: Database,
    make_mover: MakeMover,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event that hangs dies although, in turns with another relay that has it in hand, each of
    two movers finds nothing, or only others, to move in between.
    """
    link = await make_link(db)
    sent = await make_event(db, link, user_agent="hang")
    await refuse(db, "hang", "57014")
    monkeypatch.setattr("relay.mover.REST", 0.0)
    movers = [make_mover(max_attempts=2, batch_size=8) for _ in range(2)]
    await db.execute("SET lock_timeout = '50ms'")
    async with await database.aconnect() as other:
        for turn in range(100):
            mover = movers[turn % 2]
            with suppress(psycopg.errors.QueryCanceled):
                await mover.move(db)
            # Now the other relay has it in hand; this one looks again, twice, and moves what is new.
            async with other.transaction():
                await other.execute("SELECT FROM outbox FOR UPDATE")
                if turn % 4 > 1:
                    await make_events(db, link, 1)
                for _ in range(2):
                    with suppress(psycopg.errors.LockNotAvailable):
                        await mover.move(db)
    assert {sent} == await message_ids(db, "dead_letters")
    assert 0 == await count(db, "outbox")
    cursor = await db.execute("SELECT attempts, error_class FROM dead_letters")
    assert [(2, "EventSuspected")] == await cursor.fetchall()


async def test_an_event_refused_again_and_again_dies(db: AsyncConnection, mover: Mover) -> None:
    """What Postgres refuses is handled as often as what Python refuses, and the letter says why."""
    link = await make_link(db)
    sent = await make_event(db, link, user_agent="poison")
    await refuse(db, "poison", "23514")
    await one_pass(mover, db)
    assert {sent} == await message_ids(db, "dead_letters")
    cursor = await db.execute("SELECT attempts, error_class FROM dead_letters")
    assert [(5, "CheckViolation")] == await cursor.fetchall()


async def test_same_event_in_the_outbox_during_its_move(
    db: AsyncConnection, database: Database, mover: Mover
) -> None:
    """A retried COMMIT that inserts the event while it is being moved waits, and counts nothing."""
    link = await make_link(db)
    sent = await make_event(db, link)
    async with await database.aconnect() as other:
        async with other.transaction():
            await other.execute("DELETE FROM outbox")
            retry = asyncio.create_task(make_event(db, link, message_id=sent))
            await other.execute(
                "INSERT INTO clicks (message_id, link_id, occurred_at) VALUES (%s, %s, now())",
                [sent, link],
            )
            await other.execute(
                "INSERT INTO clicks_hourly VALUES (%s, date_trunc('hour', now(), 'UTC'), 1)",
                [link],
            )
        await retry
    await mover.move(db)
    assert (1, 0) == (await count(db, "clicks"), await count(db, "outbox"))
    assert await rollups_equal_clicks(db)


async def test_message_ids_of_any_version_land(db: AsyncConnection, mover: Mover) -> None:
    """An event whose id is no UUIDv7, put in by hand, is counted like any other."""
    from uuid import uuid4

    link = await make_link(db)
    odd = await make_event(db, link, message_id=MessageId(uuid4()))
    even = await make_event(db, link, message_id=new_message_id())
    await mover.move(db)
    assert {odd, even} == await message_ids(db, "clicks")


async def test_both_ways_of_moving_agree(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """Events moved one by one end as they do when moved together: all columns, rollups, counts."""
    links = [await make_link(db, f"link{n}") for n in range(4)]
    kinds: list[dict[str, Any]] = [
        {"at": "2026-11-24 10:59:59.999+00", "referrer": "r", "user_agent": "u"},
        {"at": "2026-11-24 11:00:00+00"},
        {"at": "2026-11-24 11:30:00+00", "user_agent": ""},
    ]
    lines, ends = [], []
    for handle in (None, lambda _: None):
        await db.execute("TRUNCATE clicks, clicks_hourly, dead_letters, outbox")
        # Half of the links are gone, and one click was counted and declared dead before.
        ids = [MessageId(UUID(int=n)) for n in range(12)]
        for n, message_id in enumerate(ids):
            await make_event(db, links[n % 4], message_id=message_id, **kinds[n % 3])
        await db.execute(
            "INSERT INTO clicks (message_id, link_id, occurred_at) VALUES (%s, %s, now())",
            [ids[0], links[0]],
        )
        await db.execute("UPDATE outbox SET link_id = -1 WHERE link_id = ANY(%s)", [links[2:]])
        await one_pass(make_mover(handle=handle), db)
        line = batches(observed)[-1]
        lines.append((line.claimed, line.moved, line.duplicates, line.orphans, line.retried))
        cursor = await db.execute(
            "SELECT message_id, link_id, attempts, referrer, user_agent,"
            " extract(epoch FROM occurred_at) FROM clicks WHERE message_id <> %s ORDER BY 1",
            [ids[0]],
        )
        ends.append((await cursor.fetchall(), await rollups(db)))
    assert [(12, 5, 1, 6, 0)] * 2 == lines
    assert ends[0] == ends[1]


@pytest.mark.parametrize("kind", ["deferred", "assert"])
async def test_what_is_refused_late_or_oddly_is_its_own_too(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation], kind: str
) -> None:
    """What is refused at COMMIT only, or by an ASSERT, which OTHERS leaves out, is isolated at once."""
    link = await make_link(db)
    for n in range(40):
        await make_event(db, link, user_agent="poison" if n % 2 else None)
    if kind == "assert":
        await do_on_insert(db, "poison", "ASSERT false, 'refused'")
    else:
        await refuse(db, "poison")
        await db.execute("DROP TRIGGER refuse ON clicks")
        await db.execute(
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON clicks"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert (20, 20) == (await count(db, "clicks"), await count(db, "outbox"))
    assert [(1,)] == await (await db.execute("SELECT DISTINCT attempts FROM outbox")).fetchall()
    assert 1 == len(batches(observed))
    assert await rollups_equal_clicks(db)


@pytest.mark.parametrize(
    "deed, error",
    [
        ("PERFORM pg_terminate_backend(pg_backend_pid())", "terminating connection"),
        ("PERFORM pg_sleep(30)", "statement timeout"),
    ],
)
async def test_an_event_that_kills_or_hangs_its_worker(
    db: AsyncConnection, database: Database, make_mover: MakeMover, deed: str, error: str
) -> None:
    """It is found, costs itself its attempts and ends as a dead letter; all others land."""
    link = await make_link(db)
    sent = await make_events(db, link, 300)
    killer = await make_event(db, link, user_agent="killer")
    sent += await make_events(db, link, 300)
    await do_on_insert(db, "killer", deed)
    mover = make_mover(max_attempts=2)
    losses = 0
    async with asyncio.timeout(60):
        more = True
        while more or await count(db, "outbox"):
            async with await database.aconnect() as connection:
                await connection.execute("SET statement_timeout = '200ms'")
                try:
                    more = await mover.move(connection)
                except psycopg.OperationalError:
                    losses += 1
    assert set(sent) == await message_ids(db, "clicks")
    assert {killer} == await message_ids(db, "dead_letters")
    cursor = await db.execute("SELECT attempts, error_class, error_message FROM dead_letters")
    ((attempts, error_class, message),) = await cursor.fetchall()
    assert (2, "EventSuspected") == (attempts, error_class)
    assert error in message
    # From 500 to one in three steps, then thrice alone; the second time it is alone with its like.
    assert losses == 6 + 3
    assert await rollups_equal_clicks(db)


@pytest.mark.parametrize("sqlstate", ["40001", "42883", "53200"])
@pytest.mark.parametrize("handle", [None, lambda _: None], ids=["batch", "each"])
async def test_passing_errors_of_some_hold_up_nobody(
    db: AsyncConnection,
    make_mover: MakeMover,
    observed: list[Observation],
    sqlstate: str,
    handle: Callable[[PendingEvent], None] | None,
) -> None:
    """Events that alone among others meet what should pass step aside at once, at no attempt."""
    link = await make_link(db)
    odd = {
        await make_event(db, link, user_agent="odd" if n % 2 else None): bool(n % 2)
        for n in range(40)
    }
    await refuse(db, "odd", sqlstate)
    mover = make_mover(handle=handle)
    if handle is None:
        with pytest.raises(psycopg.Error):
            await mover.move(db)
    await mover.move(db)
    assert {each for each in odd if not odd[each]} == await message_ids(db, "clicks")
    cursor = await db.execute(
        "SELECT DISTINCT attempts, available_at > now(), first_failed_at FROM outbox"
    )
    assert [(0, True, None)] == await cursor.fetchall()
    assert 20 == len([each for each in observed if isinstance(each, EventSetAside)])
    assert await rollups_equal_clicks(db)


async def test_passing_errors_of_all_that_is_due_hold_up_nobody(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """All that is due meets what should pass: raised, once more, and then it steps aside at once."""
    link = await make_link(db)
    for _ in range(20):
        await make_event(db, link, user_agent="odd")
    await refuse(db, "odd", "40001")
    mover = make_mover()
    for _ in range(2):
        with pytest.raises(psycopg.errors.SerializationFailure):
            await mover.move(db)
    assert not await mover.move(db)
    cursor = await db.execute(
        "SELECT count(*), max(attempts), min(available_at) > now() FROM outbox"
    )
    assert [(20, 0, True)] == await cursor.fetchall()


@pytest.mark.parametrize("max_attempts", [1, 2])
@pytest.mark.parametrize("sqlstate", ["P0001", "40001", "42883", "57014", "EC001"])
async def test_a_dead_letter_that_is_refused_holds_up_nobody(
    db: AsyncConnection,
    database: Database,
    make_mover: MakeMover,
    observed: list[Observation],
    max_attempts: int,
    sqlstate: str,
) -> None:
    """An event that can neither land nor die steps aside; once it can, it dies after the cap."""
    link = await make_link(db)
    odd = await make_event(db, link, user_agent="odd")
    sent = await make_events(db, link, 20)
    await refuse(db, "odd")
    await db.execute(
        "CREATE FUNCTION immortal() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION 'immortal' USING ERRCODE = '{sqlstate}'; END $$".encode()
    )
    await db.execute(
        "CREATE TRIGGER immortal BEFORE INSERT ON dead_letters"
        " FOR EACH ROW EXECUTE FUNCTION immortal()"
    )
    mover = make_mover(max_attempts=max_attempts)

    async def set_aside() -> None:
        for _ in range(40):
            if any(isinstance(each, EventSetAside) for each in observed):
                return
            with suppress(psycopg.Error):
                await mover.move(db)
        raise AssertionError("it is still in the way")

    await set_aside()
    with suppress(psycopg.Error):
        await one_pass(mover, db)
    assert set(sent) == await message_ids(db, "clicks")
    cursor = await db.execute("SELECT message_id, attempts, available_at > now() FROM outbox")
    assert [(odd, max_attempts - 1, True)] == await cursor.fetchall()
    await db.execute("DROP TRIGGER immortal ON dead_letters")
    await db.execute("UPDATE outbox SET available_at = now()")
    await one_pass(mover, db)
    cursor = await db.execute("SELECT message_id, attempts, error_class FROM dead_letters")
    assert [(odd, max_attempts, "DataException")] == await cursor.fetchall()


@pytest.mark.parametrize("sqlstate", ["40001", "42883", "53200"])
async def test_an_event_that_always_meets_a_passing_error_steps_aside(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation], sqlstate: str
) -> None:
    """It holds up nobody, costs no attempt, and is tried again a second later."""
    link = await make_link(db)
    sent = await make_events(db, link, 20)
    odd = await make_event(db, link, user_agent="odd")
    sent += await make_events(db, link, 20)
    await refuse(db, "odd", sqlstate)
    mover = make_mover()
    for _ in range(40):
        with suppress(psycopg.Error):
            await mover.move(db)
    assert set(sent) == await message_ids(db, "clicks")
    cursor = await db.execute("SELECT message_id, attempts, available_at > now() FROM outbox")
    assert [(odd, 0, True)] == await cursor.fetchall()
    assert [str(odd)] == [each.message_id for each in observed if isinstance(each, EventSetAside)]


async def test_sessions_killed_at_random_cost_nothing(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """Connections that are gone before the event is in hand are no event's fault."""
    link = await make_link(db)
    sent = await make_event(db, link)
    mover = make_mover(batch_size=1)
    for _ in range(10):
        async with await database.aconnect() as doomed:
            terminate(database.conninfo, doomed.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                await mover.move(doomed)
    cursor = await db.execute("SELECT attempts FROM outbox")
    assert [(0,)] == await cursor.fetchall()
    await mover.move(db)
    assert {sent} == await message_ids(db, "clicks")


@pytest.mark.parametrize("batch_size", [1, 2])
async def test_an_error_for_the_operator_starves_no_event(
    db: AsyncConnection, make_mover: MakeMover, batch_size: int
) -> None:
    """However small the batch, the events behind the one that meets it are moved."""
    link = await make_link(db)
    odd = await make_event(db, link, user_agent="odd")
    await db.execute("UPDATE outbox SET available_at = now() - interval '1 s'")
    sent = await make_events(db, link, 5)
    await refuse(db, "odd", "42883")
    mover = make_mover(batch_size=batch_size)
    for _ in range(40):
        with suppress(psycopg.Error):
            await mover.move(db)
    assert set(sent) == await message_ids(db, "clicks")
    assert {odd} == await message_ids(db, "outbox")


async def test_an_event_that_steps_aside_for_the_operator_is_no_progress(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """While rollups cannot be written each move raises, also the one that sets an event aside."""
    await make_events(db, await make_link(db), 20)
    await db.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'no rollups' USING ERRCODE = '42501'; END $$"
    )
    await db.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON clicks_hourly"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    mover = make_mover()
    for _ in range(20):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await mover.move(db)
    cursor = await db.execute("SELECT count(*) FROM outbox WHERE available_at > now()")
    assert 0 < await first(cursor)
    await db.execute("DROP TRIGGER refuse ON clicks_hourly")
    await db.execute("UPDATE outbox SET available_at = now()")
    await one_pass(make_mover(), db)
    assert 20 == await count(db, "clicks")
    assert await rollups_equal_clicks(db)
