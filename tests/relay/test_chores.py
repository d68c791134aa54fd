"""Partitions made ahead, PgQueuer's log, and what deleted links leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from psycopg import AsyncConnection

from relay import chores
from relay.events import PendingEvent
from relay.mover import Mover
from relay.store.deleted_links import deleted_link_purge, deleted_link_purged
from relay.store.outbox import outbox_work
from relay.store.rollups import ROLLUPS, rollups_verify
from service.contract.events import LinkId
from service.contract.observations import (
    DatabaseUnavailable,
    LinkPurged,
    LogPruned,
    Observation,
    PartitionRefused,
    PartitionsMade,
)
from service.contract.postgres import Database
from service.store.links import link_delete
from tests.relay.conftest import MakeMover
from tests.support.ledger import (
    count,
    first,
    held,
    make_event,
    make_events,
    make_link,
    message_ids,
    rollups_equal_clicks,
    until,
    waits_for_lock,
)

PARTITIONS = (
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE inhparent = 'clicks'::regclass ORDER BY 1"
)


async def partitions(db: AsyncConnection) -> list[str]:
    """The partitions of clicks, the default one last."""
    return [name for (name,) in await (await db.execute(PARTITIONS)).fetchall()]


async def set_clock(db: AsyncConnection, now: str, zone: str = "UTC") -> None:
    """Let the connection's now() be another instant, and its zone another one."""
    await db.execute("CREATE SCHEMA IF NOT EXISTS clock")
    await db.execute(
        "CREATE OR REPLACE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql"
        f" AS $$ SELECT '{now}'::timestamptz $$".encode()
    )
    await db.execute("SET search_path = clock, pg_catalog, public")
    await db.execute("SELECT set_config('TimeZone', %s, false)", [zone])


async def test_months_are_made_ahead(db: AsyncConnection, observed: list[Observation]) -> None:
    """From last month to three months ahead each has a partition; a second call makes none."""
    await set_clock(db, "2026-11-24 12:00+00")
    await chores.make_partitions(db, observed.append)
    await chores.make_partitions(db, observed.append)
    assert [
        "clicks_2026_10",
        "clicks_2026_11",
        "clicks_2026_12",
        "clicks_2027_01",
        "clicks_2027_02",
        "clicks_default",
    ] == await partitions(db)
    assert [PartitionsMade(5)] == observed


async def test_a_month_waits_for_batches_in_flight(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """It is not made under a batch that may have chosen the default partition: the batch's events
    would be refused there, and pay for it.
    """
    await set_clock(db, "2030-05-10 12:00+00")
    with held(database.conninfo, f"SELECT pg_advisory_xact_lock_shared({ROLLUPS})"):
        await chores.make_partitions(db, observed.append)
        assert ["clicks_default"] == await partitions(db)
    assert ["make_partitions"] == [
        each.doing for each in observed if isinstance(each, DatabaseUnavailable)
    ]
    await chores.make_partitions(db, observed.append)
    assert 6 == len(await partitions(db))


@pytest.mark.parametrize(
    "now, zone",
    [
        ("2027-03-01 02:00+00", "America/Los_Angeles"),
        ("2027-02-28 20:00+00", "Asia/Kolkata"),
        ("2027-03-31 23:30+00", "Pacific/Kiritimati"),
        ("2027-01-31 12:00+00", "UTC"),
    ],
)
async def test_no_month_is_left_out(
    db: AsyncConnection, observed: list[Observation], now: str, zone: str
) -> None:
    """At any end of a month and in any session's zone the five months follow one another."""
    await set_clock(db, now, zone)
    await chores.make_partitions(db, observed.append)
    months = [name for name in await partitions(db) if not name.endswith("default")]
    cursor = await db.execute(
        "SELECT 'clicks_' || to_char((date_trunc('month', %s::timestamptz AT TIME ZONE 'UTC')"
        " + make_interval(months => ahead)), 'YYYY_MM') FROM generate_series(-1, 3) AS ahead",
        [now],
    )
    assert [name for (name,) in await cursor.fetchall()] == months


async def test_month_borders_are_of_utc(db: AsyncConnection) -> None:
    """The last millisecond of a month and the first of the next go to their own partitions."""
    await db.execute("SET TimeZone = 'Asia/Kolkata'")
    for month in ("2031-01-15", "2031-02-15"):
        await db.execute("SELECT clicks_partition_make(%s::timestamptz)", [month])
    for at in ("2031-01-31 23:59:59.999+00", "2031-02-01 00:00:00+00"):
        for tail in (
            "uuidv7_floor(%(at)s)",
            "(left(uuidv7_floor(%(at)s)::text, 13) || '-7fff-bfff-ffffffffffff')::uuid",
        ):
            await db.execute(
                "INSERT INTO clicks (message_id, link_id, occurred_at)"
                f" VALUES ({tail.replace('%(at)s', '%(at)s::timestamptz')}, 1, %(at)s)".encode(),
                {"at": at},
            )
    cursor = await db.execute(
        "SELECT tableoid::regclass::text, count(*) FROM clicks GROUP BY 1 ORDER BY 1"
    )
    assert [("clicks_2031_01", 2), ("clicks_2031_02", 2)] == await cursor.fetchall()


async def test_a_new_id_falls_into_this_month(db: AsyncConnection, mover: Mover) -> None:
    """An id that the service makes now goes to the partition of the month it is now in UTC."""
    await chores.make_partitions(db, lambda _: None)
    await make_events(db, await make_link(db), 1)
    await mover.move(db)
    cursor = await db.execute(
        "SELECT tableoid::regclass::text ="
        " 'clicks_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') FROM clicks"
    )
    assert [(True,)] == await cursor.fetchall()


async def test_strays_move_to_their_month(db: AsyncConnection, mover: Mover) -> None:
    """Clicks of a month without a partition wait in the default one and move when it is made."""
    sent = await make_events(db, await make_link(db), 5)
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at)"
        " VALUES ('00000000-0000-4000-8000-000000000000', 1, now())"
    )
    await mover.move(db)
    assert 6 == await count(db, "clicks_default")
    await chores.make_partitions(db, lambda _: None)
    assert 1 == await count(db, "clicks_default")
    assert set(sent) <= await message_ids(db, "clicks")
    assert 6 == await count(db, "clicks")


async def test_ids_of_other_versions_land_in_the_default(db: AsyncConnection) -> None:
    """A UUIDv4 is no month's: it lands in the default partition."""
    await chores.make_partitions(db, lambda _: None)
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at)"
        " VALUES ('f47ac10b-58cc-4372-a567-0e02b2c3d479', 1, now())"
    )
    assert 1 == await count(db, "clicks_default")


async def test_two_relays_make_partitions_at_once(database: Database) -> None:
    """Two that make the same months at the same time make each once and neither fails."""
    made: list[Observation] = []

    async def make() -> None:
        async with await database.aconnect() as connection:
            await chores.make_partitions(connection, made.append)

    await asyncio.gather(make(), make(), make())
    assert 5 == sum(each.made for each in made if isinstance(each, PartitionsMade))


async def test_a_reader_of_clicks_holds_only_the_month_up(
    db: AsyncConnection, database: Database, mover: Mover, observed: list[Observation]
) -> None:
    """While somebody reads clicks, as pg_dump does, no month is made, which is told; later it is."""
    with held(database.conninfo, "SELECT FROM clicks"):
        async with asyncio.timeout(20):
            await chores.make_partitions(db, observed.append)
        ((told),) = observed
        assert isinstance(told, DatabaseUnavailable)
        assert ("make_partitions", True) == (told.doing, "lock timeout" in told.error)
        await make_events(db, await make_link(db), 3)
        await mover.move(db)
        assert 3 == await count(db, "clicks_default")
    observed.clear()
    await chores.make_partitions(db, observed.append)
    assert [PartitionsMade(5)] == observed
    assert (0, 3) == (await count(db, "clicks_default"), await count(db, "clicks"))


REFUSING = """
CREATE FUNCTION refuse_table() RETURNS event_trigger LANGUAGE plpgsql
AS $$ BEGIN IF to_regclass('clicks_2026_12') IS NOT NULL THEN {}; END IF; END $$;
CREATE EVENT TRIGGER refuse_table ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
EXECUTE FUNCTION refuse_table()
"""
"""Does something when the table of December is made, before it is a partition."""

OVERLAPPING = """
CREATE TABLE holidays PARTITION OF clicks
FOR VALUES FROM (uuidv7_floor('2026-12-24')) TO (uuidv7_floor('2026-12-31'))
"""


@pytest.mark.parametrize(
    "cause, error, cure",
    [
        (REFUSING.format("RAISE 'not today'"), "not today", "DROP EVENT TRIGGER refuse_table"),
        (
            REFUSING.format("RAISE 'full' USING ERRCODE = 'disk_full'"),
            "full",
            "DROP EVENT TRIGGER refuse_table",
        ),
        ("CREATE TABLE clicks_2026_12 ()", "no partition of clicks", "DROP TABLE clicks_2026_12"),
        (OVERLAPPING, "would overlap partition", "DROP TABLE holidays"),
    ],
    ids=["a trigger", "a full disk", "the name is taken", "another partition"],
)
async def test_a_month_that_is_refused_stands_alone(
    db: AsyncConnection, observed: list[Observation], cause: str, error: str, cure: str
) -> None:
    """Those before and after it are made, it is told each time, and made once it can be."""
    await db.execute(cause.encode())
    await set_clock(db, "2026-11-24 12:00+00")
    for _ in range(2):
        await chores.make_partitions(db, observed.append)
    assert [("2026-12", True)] * 2 == [
        (each.month, error in each.error) for each in observed if isinstance(each, PartitionRefused)
    ]
    assert [PartitionsMade(4)] == [each for each in observed if isinstance(each, PartitionsMade)]
    assert {"clicks_2026_10", "clicks_2026_11", "clicks_2027_01", "clicks_2027_02"} <= {
        *await partitions(db)
    }
    await db.execute(cure.encode())
    observed.clear()
    await chores.make_partitions(db, observed.append)
    assert [PartitionsMade(1)] == observed
    assert "clicks_2026_12" in await partitions(db)


async def test_a_moment_without_writes(db: AsyncConnection, observed: list[Observation]) -> None:
    """While the server takes none each month is told, and nothing is raised."""
    await db.execute("SET default_transaction_read_only = on")
    await chores.make_partitions(db, observed.append)
    assert [True] * 5 == ["read-only" in str(each) for each in observed]
    await db.execute("SET default_transaction_read_only = off")
    observed.clear()
    await chores.make_partitions(db, observed.append)
    assert [PartitionsMade(5)] == observed


async def test_a_connection_lost_meanwhile(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """It is no refusal: the error is raised, and the months made before it are there."""
    await db.execute(REFUSING.format("PERFORM pg_terminate_backend(pg_backend_pid())").encode())
    async with await database.aconnect() as lost:
        await set_clock(lost, "2026-11-24 12:00+00")
        with pytest.raises(psycopg.errors.AdminShutdown):
            await chores.make_partitions(lost, observed.append)
    assert [] == observed
    assert ["clicks_2026_10", "clicks_2026_11", "clicks_default"] == await partitions(db)


async def test_old_log_rows_are_pruned(db: AsyncConnection, observed: list[Observation]) -> None:
    """Rows of PgQueuer's log and statistics that are old enough go, fresh ones stay."""
    for hours in (0, 2, 24 * 8):
        await db.execute(
            "INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint)"
            " VALUES (now() - make_interval(hours => %s), 1, 'successful', 0, 'move_clicks')",
            [hours],
        )
        await db.execute(
            "INSERT INTO pgqueuer_statistics (created, count, priority, status, entrypoint)"
            " VALUES (now() - make_interval(hours => %s), 1, 0, 'successful', 'move_clicks')",
            [hours],
        )
    await chores.prune_logs(db, observed.append)
    assert (1, 2) == (await count(db, "pgqueuer_log"), await count(db, "pgqueuer_statistics"))
    assert [LogPruned(3)] == observed
    await chores.prune_logs(db, observed.append)
    assert [LogPruned(3)] == observed


async def deleted(db: AsyncConnection, mover: Mover, clicks: int) -> int:
    """Delete a link that has clicks; returns its id."""
    link = await make_link(db, "gone")
    for n in range(clicks):
        await make_event(db, link, at=f"2026-11-24 {n:02}:00:00+00")
    while await mover.move(db):
        pass
    assert await link_delete(db, link)
    return link


async def test_a_deleted_link_leaves_nothing(
    db: AsyncConnection, make_mover: MakeMover, observed: list[Observation]
) -> None:
    """Clicks, rollups, dead letters and events of a deleted link go; other links keep theirs."""
    kept = await make_link(db, "kept")
    await make_events(db, kept, 2)
    dead = await make_link(db, "dead")
    await make_events(db, dead, 1)
    await make_mover(max_attempts=1, handle=fail_for(dead)).move(db)
    link = await deleted(db, make_mover(), 3)
    await make_events(db, link, 2)
    await link_delete(db, dead)
    await chores.purge_links(db, observed.append, asyncio.Event())
    for table in ("clicks", "clicks_hourly"):
        cursor = await db.execute(f"SELECT DISTINCT link_id FROM {table}".encode())
        assert [(kept,)] == await cursor.fetchall()
    for table in ("outbox", "dead_letters"):
        assert 0 == await count(db, table)
    # The note of the deletion stays a minute, for whatever a late batch may bring.
    assert not (await outbox_work(db)).links_deleted
    assert 2 == await count(db, "deleted_links")
    await db.execute("UPDATE deleted_links SET deleted_at = now() - interval '61 s'")
    assert (await outbox_work(db)).links_deleted
    await chores.purge_links(db, observed.append, asyncio.Event())
    assert 0 == await count(db, "deleted_links")
    purged = [each for each in observed if isinstance(each, LinkPurged)]
    assert [LinkPurged(link, 3), LinkPurged(dead, 0)] == purged


def fail_for(link_id: int) -> Callable[[PendingEvent], None]:
    """A handler that fails for one link's events."""

    def handle(event: PendingEvent) -> None:
        if event.link_id == link_id:
            raise RuntimeError

    return handle


async def test_a_purge_keeps_rollups_equal(
    db: AsyncConnection, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunk by chunk rollups and clicks go together; after each the two are equal."""
    monkeypatch.setattr(chores, "CHUNK", 2)
    await deleted(db, mover, 7)
    left = []
    while (await outbox_work(db)).links_deleted:
        await chores.purge_links(db, lambda _: None, Stop(looks=1))
        left.append(await count(db, "clicks"))
        assert [] == [each async for each in rollups_verify(db)]
        assert await rollups_equal_clicks(db)
    assert [5, 3, 1, 0, 0] == left


class Stop(asyncio.Event):
    """An event that is set after so many looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def is_set(self) -> bool:
        self._looks -= 1
        return self._looks < 0


async def test_a_late_batch_is_purged_too(db: AsyncConnection, mover: Mover) -> None:
    """Clicks that a batch begun before the deletion commits after the purge go a minute later."""
    link = await deleted(db, mover, 2)
    await chores.purge_links(db, lambda _: None, asyncio.Event())
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at) VALUES (gen_random_uuid(), %s, now())",
        [link],
    )
    await db.execute(
        "INSERT INTO clicks_hourly VALUES (%s, date_trunc('hour', now(), 'UTC'), 1)", [link]
    )
    await db.execute("UPDATE deleted_links SET deleted_at = now() - interval '61 s'")
    await chores.purge_links(db, lambda _: None, asyncio.Event())
    for table in ("clicks", "clicks_hourly", "deleted_links"):
        assert 0 == await count(db, table)


async def test_a_batch_in_the_middle_of_a_purge(
    db: AsyncConnection, mover: Mover, observed: list[Observation]
) -> None:
    """What a late batch commits between a purge's last two statements keeps its rollup until it goes."""
    link = LinkId(await deleted(db, mover, 2))
    assert 2 == await deleted_link_purge(db, link, 5)
    assert 0 == await deleted_link_purge(db, link, 5)
    await db.execute(
        "INSERT INTO clicks (message_id, link_id, occurred_at) VALUES (gen_random_uuid(), %s, now())",
        [link],
    )
    await db.execute(
        "INSERT INTO clicks_hourly VALUES (%s, date_trunc('hour', now(), 'UTC'), 1)", [link]
    )
    await deleted_link_purged(db, link)
    assert await rollups_equal_clicks(db)
    await db.execute("UPDATE deleted_links SET deleted_at = now() - interval '61 s'")
    await chores.purge_links(db, observed.append, asyncio.Event())
    assert await rollups_equal_clicks(db)
    for table in ("clicks", "clicks_hourly", "deleted_links"):
        assert 0 == await count(db, table)


async def test_hours_of_a_dropped_month_go_with_their_link(
    db: AsyncConnection, mover: Mover
) -> None:
    """A link whose clicks' month was dropped, its rollups kept, leaves no rollup when it is purged."""
    await deleted(db, mover, 2)
    await db.execute("DELETE FROM clicks")
    await chores.purge_links(db, lambda _: None, asyncio.Event())
    assert 0 == await count(db, "clicks_hourly")


async def test_two_relays_purge_one_link(
    db: AsyncConnection, database: Database, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two purges that meet on the same clicks one stops early; the other removes the rest."""
    monkeypatch.setattr(chores, "CHUNK", 2)
    await deleted(db, mover, 7)

    async def passed(_: AsyncConnection) -> None:
        """Both have waited for the batches in flight, before either began."""

    monkeypatch.setattr(chores, "rollups_lock", passed)

    async def purge(stop: asyncio.Event) -> None:
        async with await database.aconnect() as connection:
            await chores.purge_links(connection, lambda _: None, stop)

    with held(database.conninfo, "SELECT FROM clicks FOR UPDATE"):
        stopped = asyncio.create_task(purge(Stop(looks=1)))
        await until(lambda: waits_for_lock(db, 1))
        other = asyncio.create_task(purge(asyncio.Event()))
        await until(lambda: waits_for_lock(db, 2))
    await asyncio.gather(stopped, other)
    for table in ("clicks", "clicks_hourly"):
        assert 0 == await count(db, table)


async def test_a_purge_waits_for_the_batch_in_flight(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """A batch that saw the link before its deletion commits first; its clicks are purged too."""
    link = await make_link(db)
    await make_events(db, link, 3)
    # The batch has inserted its clicks and waits for this row of the rollups.
    blocker = f"INSERT INTO clicks_hourly VALUES ({link}, date_trunc('hour', now(), 'UTC'), 0)"
    async with await database.aconnect() as other:
        with held(database.conninfo, blocker):
            move = asyncio.create_task(make_mover().move(other))
            await until(lambda: waits_for_lock(db, 1))
            assert await link_delete(db, link)
            purge = asyncio.create_task(chores.purge_links(db, lambda _: None, asyncio.Event()))
            async with await database.aconnect() as third:
                await until(lambda: waits_for_lock(third, 2))
        await asyncio.gather(move, purge)
    for table in ("clicks", "clicks_hourly"):
        assert 0 == await count(db, table)


async def test_a_purge_gives_up_on_a_hanging_batch(
    db: AsyncConnection, database: Database, mover: Mover
) -> None:
    """When a batch in flight does not end within a second the purge raises and has done nothing."""
    await deleted(db, mover, 2)
    share = "SELECT pg_advisory_xact_lock_shared(7204316012)"
    with held(database.conninfo, share), pytest.raises(psycopg.errors.LockNotAvailable):
        await chores.purge_links(db, lambda _: None, asyncio.Event())
    assert 2 == await count(db, "clicks")
    assert 1 == await first(await db.execute("SELECT count(*) FROM deleted_links"))
