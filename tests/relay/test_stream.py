"""How the next events of a stream are to be moved."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import psycopg
import pytest
from psycopg import AsyncConnection

from relay.frontier import HEAD
from relay.pace import Pace
from relay.store.clicks import Moved, Outcomes
from relay.stream import SAMPLE, Stream
from service.contract.events import MessageId, new_message_id
from service.contract.observations import Observation
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
    rollups_equal_clicks,
)

REFUSED = psycopg.errors.RaiseException()


def sample(*kinds: Sequence[int]) -> Outcomes:
    """What becomes of a sample that is refused, equally many of each kind, or one more."""
    events = [new_message_id() for _ in range(SAMPLE)]
    refused = dict.fromkeys(events, REFUSED)
    return Outcomes(Moved(), refused, {e: kinds[n % len(kinds)] for n, e in enumerate(events)})


def test_what_is_avoided_already_is_no_news() -> None:
    """A batch without it was refused: however often each trait was met since, events are tried on."""
    stream = Stream(False, Pace(1000, lambda: 0.0))
    for kinds in ([1], [1], [2]), ([2],):
        stream.refused(REFUSED, HEAD)
        stream.tried(sample(*kinds), SAMPLE, SAMPLE)
    assert {1, 2} == set(stream.avoided)
    assert 1000 - SAMPLE == stream.one_by_one


async def flood(db: AsyncConnection, number: int) -> tuple[set[MessageId], set[MessageId]]:
    """Good events and as many rude ones in between, which a CHECK of somebody's refuses."""
    await db.execute("ALTER TABLE clicks ADD CONSTRAINT polite CHECK (referrer <> 'rude')")
    link = await make_link(db)
    sent = [
        await make_event(db, link, referrer="rude" if n % 2 else None) for n in range(2 * number)
    ]
    return set(sent[::2]), set(sent[1::2])


async def attempts(db: AsyncConnection) -> list[tuple[int, str | None]]:
    """What the events in the outbox have behind them, each kind once."""
    cursor = await db.execute("SELECT DISTINCT attempts, last_error FROM outbox ORDER BY 1")
    return await cursor.fetchall()


RUDE = 'CheckViolation: new row for relation "clicks_default" violates check constraint "polite"'


async def test_what_breaks_a_check_waits_for_the_others(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """However much of it there is: what breaks no CHECK lands in batches, only then is the rest tried."""
    good, rude = await flood(db, 100)
    mover = make_mover(batch_size=50, backoff_seconds=60.0)
    while len(await message_ids(db, "clicks")) < 100:
        assert [(0, None)] == await attempts(db)
        assert await mover.move(db)
    assert [25] * 4 == [line.claimed for line in batches(observed)]
    await one_pass(mover, db)
    assert good == await message_ids(db, "clicks")
    assert rude == await message_ids(db, "outbox")
    assert [(1, RUDE)] == await attempts(db)
    assert 200 == sum(line.claimed for line in batches(observed))
    assert await rollups_equal_clicks(db)


async def test_what_breaks_a_check_waits_for_so_many(
    db: AsyncConnection, make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where good events never end, those left out are tried in between."""
    monkeypatch.setattr("relay.stream.LEFT", 20)
    await flood(db, 100)
    mover = make_mover(batch_size=10, backoff_seconds=60.0)
    while [(0, None)] == await attempts(db):
        assert await mover.move(db)
    assert 20 == await count(db, "clicks")
    await one_pass(mover, db)
    assert (100, 100) == (await count(db, "clicks"), await count(db, "outbox"))
    assert [(1, RUDE)] == await attempts(db)


async def test_what_breaks_a_check_may_be_an_orphan(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """An event whose link is gone vanishes, whatever it breaks."""
    await flood(db, 2)
    await db.execute("UPDATE outbox SET link_id = -1 WHERE referrer = 'rude' AND id % 4 = 0")
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert (2, 1) == (await count(db, "clicks"), await count(db, "outbox"))
    assert 0 == await count(db, "dead_letters")


async def test_what_seems_to_break_a_check_is_tried(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """What a trigger puts right lands: only Postgres's own word counts."""
    good, rude = await flood(db, 3)
    mended = await make_event(db, await make_link(db, "other"), referrer="rude", user_agent="mend")
    await do_on_insert(db, "mend", "NEW.referrer := 'kind'")
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert {*good, mended} == await message_ids(db, "clicks")
    assert rude == await message_ids(db, "outbox")


@pytest.mark.parametrize(
    "other",
    [
        "ALTER TABLE clicks ADD COLUMN kind text DEFAULT 'k' CHECK (kind <> '')",
        (
            "ALTER TABLE clicks ADD CONSTRAINT odd CHECK (coalesce(referrer, '') <> '0'"
            " OR length(user_agent) / 0 > 0)"
        ),
    ],
)
async def test_a_check_that_nobody_can_foretell(
    db: AsyncConnection, make_mover: MakeMover, other: str
) -> None:
    """A CHECK that asks for more than an event holds, or fails itself: then it is one by one."""
    good, rude = await flood(db, 10)
    odd = await make_event(db, await make_link(db, "odd"), referrer="0", user_agent="a")
    await db.execute(other.encode())
    await one_pass(make_mover(backoff_seconds=60.0), db)
    refused = {odd} if "odd" in other else set()
    assert good | ({odd} - refused) == await message_ids(db, "clicks")
    assert rude | refused == await message_ids(db, "outbox")
    assert {1} == {number for number, _ in await attempts(db)}


async def test_a_check_and_a_trigger(db: AsyncConnection, make_mover: MakeMover) -> None:
    """Among those that break no CHECK one is refused all the same: then it is one by one."""
    good, rude = await flood(db, 10)
    poison = await make_event(db, await make_link(db, "other"), user_agent="poison")
    await refuse(db, "poison")
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert good == await message_ids(db, "clicks")
    assert {*rude, poison} == await message_ids(db, "outbox")
    assert {1} == {number for number, _ in await attempts(db)}
    assert await rollups_equal_clicks(db)


async def test_poison_takes_nobody_down_twice(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """As much poison as good: the good lands in the first pass, in few batches, the poison waits."""
    link = await make_link(db)
    for n in range(1000):
        await make_event(db, link, user_agent="poison" if n % 2 else None)
    await refuse(db, "poison")
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert (500, 500) == (await count(db, "clicks"), await count(db, "outbox"))
    # A sample tells what poison looks like; then all that is good, then all that is not.
    assert [50, 250, 200, 0] == [line.moved for line in batches(observed)]
    assert await rollups_equal_clicks(db)
    await make_events(db, link, 100)
    await db.execute("UPDATE outbox SET available_at = now()")
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert (600, 500) == (await count(db, "clicks"), await count(db, "outbox"))
    assert [(2,)] == await (await db.execute("SELECT DISTINCT attempts FROM outbox")).fetchall()


async def test_poison_of_two_kinds(
    db: AsyncConnection, make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused among those that are left is of another kind: it is found where it stands."""
    monkeypatch.setattr("relay.stream.SAMPLE", 10)
    link = await make_link(db)
    one = [await make_event(db, link, user_agent="poison" if n % 2 else None) for n in range(60)]
    other = [await make_event(db, link, referrer="poison" if n % 2 else None) for n in range(60)]
    await do_on_insert(db, "poison", "RAISE EXCEPTION 'refused'")
    await db.execute(
        "CREATE FUNCTION refuse_too() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'refused too'; END $$"
    )
    await db.execute(
        "CREATE TRIGGER refuse_too BEFORE INSERT ON clicks FOR EACH ROW"
        " WHEN (NEW.referrer = 'poison') EXECUTE FUNCTION refuse_too()"
    )
    mover = make_mover(batch_size=50, backoff_seconds=60.0)
    tried: list[int] = []
    while await count(db, "clicks") < 60:
        assert await mover.move(db)
        cursor = await db.execute("SELECT count(*) FROM outbox WHERE attempts > 0")
        tried.append(await first(cursor))
    assert {*one[::2], *other[::2]} == await message_ids(db, "clicks")
    # Two samples, no more, before the last good one is counted.
    assert 10 == max(tried)
    await one_pass(mover, db)
    assert {*one[1::2], *other[1::2]} == await message_ids(db, "outbox")
    assert {1} == {number for number, _ in await attempts(db)}
    assert await rollups_equal_clicks(db)


async def test_an_event_that_cannot_be_read(db: AsyncConnection, make_mover: MakeMover) -> None:
    """Damage to what an event holds is its own failure, whoever looks at it first."""
    link = await make_link(db)
    good = [await make_event(db, link, user_agent=None) for _ in range(40)]
    bad = [await make_event(db, link, user_agent="poison") for _ in range(3)]
    await refuse(db, "poison")
    await db.execute(
        "ALTER FUNCTION event_traits RENAME TO event_traits_read;"
        " CREATE FUNCTION event_traits(link_id bigint, referrer text, user_agent text)"
        " RETURNS bigint[] LANGUAGE plpgsql AS $$ BEGIN"
        " IF user_agent = 'poison' THEN RAISE EXCEPTION 'damaged' USING ERRCODE = 'XX001'; END IF;"
        " RETURN event_traits_read(link_id, referrer, user_agent); END $$"
    )
    await one_pass(make_mover(backoff_seconds=60.0), db)
    assert set(good) == await message_ids(db, "clicks")
    assert set(bad) == await message_ids(db, "outbox")
    assert [(1, "DataCorrupted: damaged")] == await attempts(db)


async def test_good_ones_that_look_like_poison(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """They wait for those that do not, and are counted in the same pass."""
    link, other = await make_link(db), await make_link(db, "other")
    bad = [
        await make_event(db, link, user_agent="poison", referrer="r" if n < 60 else "s")
        for n in range(120)
    ]
    alike = [await make_event(db, link, referrer="s") for _ in range(5)]
    unlike = [await make_event(db, other, referrer="t") for _ in range(200)]
    await refuse(db, "poison")
    mover = make_mover(backoff_seconds=60.0)
    while not await count(db, "clicks"):
        assert await mover.move(db)
    assert set(unlike) == await message_ids(db, "clicks")
    await one_pass(mover, db)
    assert {*alike, *unlike} == await message_ids(db, "clicks")
    assert set(bad) == await message_ids(db, "outbox")
    assert {1} == {number for number, _ in await attempts(db)}


async def test_a_killer_behind_what_was_left_out(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """It is found as soon as any: no event that was left out makes the batches grow again."""
    link = await make_link(db)
    for n in range(600):
        await make_event(db, link, user_agent="poison" if n % 2 else None)
    sent = await make_events(db, link, 500)
    killer = await make_event(db, link, user_agent="killer")
    sent += await make_events(db, link, 500)
    await do_on_insert(db, "killer", "PERFORM pg_terminate_backend(pg_backend_pid())")
    await db.execute("ALTER FUNCTION refuse() RENAME TO kill")
    await db.execute("ALTER TRIGGER refuse ON clicks RENAME TO kill")
    await refuse(db, "poison")
    mover = make_mover(max_attempts=1)
    losses = 0
    while await count(db, "outbox"):
        async with await database.aconnect() as connection:
            try:
                await one_pass(mover, connection)
            except psycopg.OperationalError:
                losses += 1
        assert losses <= 10
    assert killer in await message_ids(db, "dead_letters")
    assert set(sent) <= await message_ids(db, "clicks")
    assert (1300, 301) == (await count(db, "clicks"), await count(db, "dead_letters"))
    assert await rollups_equal_clicks(db)


async def test_what_was_left_out_waits_for_a_sweep(
    db: AsyncConnection, make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where good events never end, one that looks like poison waits for the next sweep, no longer."""
    monkeypatch.setattr("relay.stream.SAMPLE", 10)
    monkeypatch.setattr("relay.frontier.SWEEP_WITHIN", 0.0)
    link, other = await make_link(db), await make_link(db, "other")
    for n in range(20):
        await make_event(db, link, user_agent="poison", referrer=f"r{n}")
    alike = await make_event(db, link)
    await make_events(db, other, 100)
    await refuse(db, "poison")
    mover = make_mover(batch_size=50, backoff_seconds=60.0)
    while not await count(db, "clicks"):
        assert await mover.move(db)
    assert alike not in await message_ids(db, "clicks")
    for _ in range(5):
        await make_events(db, other, 50)
        assert await mover.move(db)
    assert alike in await message_ids(db, "clicks")


async def test_what_comes_before_a_refused_batch_is_seen(
    db: AsyncConnection, make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its events have been tried, moving begins at the oldest again, one at a time too."""
    link = await make_link(db)
    await make_events(db, link, 10)
    mover = make_mover(batch_size=10, backoff_seconds=60.0)
    assert await mover.move(db)
    await make_event(db, link, user_agent="poison")
    await make_events(db, link, 30)
    await refuse(db, "poison")
    # Refused, and tried one by one; from then on the database is slow.
    assert await mover.move(db)
    assert await mover.move(db)
    monkeypatch.setattr("relay.pace.SLOW", 0.0)
    late = await make_event(db, link)
    await db.execute(
        "UPDATE outbox SET available_at = available_at - interval '1 hour' WHERE message_id = %s",
        [late],
    )
    for _ in range(6):
        await make_events(db, link, 10)
        assert await mover.move(db)
    assert late in await message_ids(db, "clicks")


@pytest.mark.parametrize("seed", range(12))
async def test_any_mixture(
    db: AsyncConnection, make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever is refused, for whatever reason: one pass moves the rest and tries each just once."""
    chance = Random(seed)
    monkeypatch.setattr("relay.stream.SAMPLE", 4)
    monkeypatch.setattr("relay.stream.LEFT", 30)
    links = [await make_link(db, f"link{n}") for n in range(4)]
    sent = [
        await make_event(
            db,
            chance.choice(links),
            referrer=chance.choice([None, "r", "s", f"r{n}"]),
            user_agent=chance.choice([None, "u", "v", f"u{n}"]),
        )
        for n in range(120)
    ]
    reasons = [
        "false",
        f"NEW.link_id = {chance.choice(links)}",
        "NEW.referrer = 'r'",
        "NEW.user_agent IN ('u', 'v')",
        "get_byte(uuid_send(NEW.message_id), 15) % 2 = 0",
        "get_byte(uuid_send(NEW.message_id), 15) < 8",
        "NEW.user_agent IS NULL",
    ]
    reason = " OR ".join(chance.sample(reasons, chance.randint(1, 3)))
    refused = f"coalesce({reason}, false)"
    await db.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN IF {refused} THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$".encode()
    )
    await db.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    if chance.random() < 0.5:
        await db.execute("ALTER TABLE clicks ADD CONSTRAINT polite CHECK (referrer <> 's')")
        refused = f"({refused} OR coalesce(referrer = 's', false))"
    cursor = await db.execute(
        f"SELECT message_id FROM outbox WHERE {refused.replace('NEW.', '')}".encode()
    )
    bad = {MessageId(each) for (each,) in await cursor.fetchall()}
    await one_pass(make_mover(chance.choice([5, 16, 500]), backoff_seconds=60.0), db)
    assert set(sent) - bad == await message_ids(db, "clicks")
    assert bad == await message_ids(db, "outbox")
    assert ({1} if bad else set()) == {number for number, _ in await attempts(db)}
    assert await rollups_equal_clicks(db)


async def test_a_sample_that_meets_a_passing_error_throughout(
    db: AsyncConnection, make_mover: MakeMover
) -> None:
    """It is raised twice, as for all that is due; then more are tried, and only the others step aside."""
    link = await make_link(db)
    for _ in range(150):
        await make_event(db, link, user_agent="odd")
    sent = await make_events(db, link, 200)
    await refuse(db, "odd", "40001")
    mover = make_mover()
    for _ in range(2):
        with pytest.raises(psycopg.errors.SerializationFailure):
            await mover.move(db)
    await one_pass(mover, db)
    assert set(sent) == await message_ids(db, "clicks")
    cursor = await db.execute("SELECT count(*), max(attempts) FROM outbox")
    assert [(150, 0)] == await cursor.fetchall()
