"""A relay at work on a real database: nobody calls it, it sees for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from relay import consumer, runner, watcher
from relay.events import PendingEvent
from relay.mover import Mover
from relay.progress import STALLED_SECONDS, Progress
from relay.session import APPLICATION, LISTENER, Session
from relay.settings import RelaySettings
from relay.store import outbox
from relay.store.outbox import outbox_work
from service.contract.observations import (
    BacklogMeasured,
    BatchMoved,
    DatabaseUnavailable,
    EventSetAside,
    JobFailed,
    LinkPurged,
    Observation,
    PartitionRefused,
    PipelineMeasured,
)
from service.contract.postgres import Database
from service.store.links import link_delete
from tests.relay.conftest import MakeMover
from tests.support.bouncer import bounced
from tests.support.ledger import (
    count,
    do_on_insert,
    first,
    held,
    make_event,
    make_events,
    make_link,
    message_ids,
    rollups_equal_clicks,
    terminate,
    until,
)
from tests.support.proxy import proxied

Start = Callable[[Mover], Session]


@pytest.fixture
def start(database: Database, observed: list[Observation]) -> Start:
    """Makes a session of a mover."""
    return lambda mover: Session(database, mover, observed.append, shutdown_timeout=5.0)


@asynccontextmanager
async def running(session: Session) -> AsyncIterator[asyncio.Task[bool]]:
    """Run the session while inside; it must end cleanly when told to stop."""
    stop = asyncio.Event()
    task = asyncio.create_task(session.run(stop))
    try:
        yield task
        stop.set()
        assert await asyncio.wait_for(task, 20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def arrived(db: AsyncConnection, clicks: int) -> None:
    """Wait until so many clicks have been counted."""

    async def all_there() -> bool:
        return clicks == await count(db, "clicks")

    await until(all_there)


async def test_events_are_moved_unasked(
    db: AsyncConnection, mover: Mover, start: Start, observed: list[Observation]
) -> None:
    """Events from before the start and during the run become clicks; the backlog is measured."""
    link = await make_link(db)
    await make_events(db, link, 10)
    async with running(start(mover)):
        await arrived(db, 10)
        for _ in range(3):
            await make_events(db, link, 5)
        await arrived(db, 25)
    assert 0 == await count(db, "outbox")
    assert await rollups_equal_clicks(db)
    assert any(isinstance(each, BacklogMeasured) for each in observed)


async def test_a_mover_that_hangs(
    db: AsyncConnection, database: Database, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay looks at the outbox all the same: its health says that nothing is moved. Once the
    database is lost, it says that it waits.
    """
    ahead = 0.0
    progress = Progress(lambda: monotonic() + ahead)
    assert "waiting" == progress.health().status
    hangs = asyncio.Event()

    async def move(connection: AsyncConnection) -> bool:
        hangs.set()
        await asyncio.Event().wait()
        return False

    monkeypatch.setattr(mover, "move", move)
    session = Session(database, mover, lambda _: None, shutdown_timeout=0.1, progress=progress)
    stop = asyncio.Event()
    task = asyncio.create_task(session.run(stop))
    await make_events(db, await make_link(db), 3)
    await asyncio.wait_for(hangs.wait(), 20)
    assert "ok" == progress.health().status
    ahead = STALLED_SECONDS + 1
    looked = progress._looked

    async def looked_again() -> bool:
        return progress._looked is not None and progress._looked > (looked or 0) + STALLED_SECONDS

    await until(looked_again)
    assert "stalled" == progress.health().status
    stop.set()
    await asyncio.wait_for(task, 20)
    assert "waiting" == progress.health().status


async def test_partitions_are_made_at_the_start(
    db: AsyncConnection, mover: Mover, start: Start
) -> None:
    """The first thing a session does is to make the months ahead: no click goes to the default."""
    await make_events(db, await make_link(db), 3)
    async with running(start(mover)):
        await arrived(db, 3)
    assert 0 == await count(db, "clicks_default")


async def test_months_that_cannot_be_made_hold_nothing_up(
    db: AsyncConnection, mover: Mover, start: Start, observed: list[Observation]
) -> None:
    """The session starts and moves clicks, into the default partition; each month is told."""
    await db.execute(NO_TABLES)
    await make_events(db, await make_link(db), 3)
    async with running(start(mover)):
        await arrived(db, 3)
    assert 3 == await count(db, "clicks_default")
    refused = [each for each in observed if isinstance(each, PartitionRefused)]
    assert [True] * 5 == ["no tables here" in each.error for each in refused]
    await db.execute("DROP EVENT TRIGGER no_tables")
    async with running(start(mover)):
        await make_events(db, await make_link(db, "other"), 1)
        await arrived(db, 4)
    assert 0 == await count(db, "clicks_default")


NO_TABLES = """
CREATE FUNCTION no_tables() RETURNS event_trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE 'no tables here'; END $$;
CREATE EVENT TRIGGER no_tables ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
EXECUTE FUNCTION no_tables()
"""


async def test_a_job_due_in_the_future_holds_nothing_up(
    db: AsyncConnection, mover: Mover, start: Start
) -> None:
    """A job left by a clock that was set back since, which nobody takes yet, is not waited for."""
    await db.execute(
        "INSERT INTO pgqueuer (priority, entrypoint, status, execute_after)"
        " VALUES (0, 'move_clicks', 'queued', now() + interval '1 hour')"
    )
    async with running(start(mover)):
        await make_events(db, await make_link(db), 3)
        await arrived(db, 3)


async def test_a_clock_that_was_ahead_and_is_back(
    db: AsyncConnection, mover: Mover, start: Start
) -> None:
    """Events, retries and schedules that a clock 40 days ahead has put off are due at once."""
    link = await make_link(db)
    async with running(start(mover)):
        # An event that is counted: the schedules stand there.
        await make_events(db, link, 1)
        await arrived(db, 1)
        async with db.transaction():
            await make_events(db, link, 30)
            await db.execute(
                "UPDATE outbox SET occurred_at = now() + interval '40 days',"
                " available_at = now() + interval '40 days', attempts = id % 3"
            )
            await db.execute("UPDATE pgqueuer_schedules SET next_run = now() + interval '40 days'")
        await arrived(db, 31)

        async def schedules_run() -> bool:
            return 0 == await first(
                await db.execute(
                    "SELECT count(*) FROM pgqueuer_schedules"
                    " WHERE next_run > now() + interval '2 hours'"
                )
            )

        await until(schedules_run)
    assert await rollups_equal_clicks(db)


async def test_many_events_that_a_clock_has_put_off(
    db: AsyncConnection, mover: Mover, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one statement recalls follow at once, without the pause between two looks."""
    monkeypatch.setattr(watcher, "RECALL", 3600.0)
    monkeypatch.setattr(watcher, "RECALLED", 10)
    monkeypatch.setattr(outbox, "RECALLED", 10)
    link = await make_link(db)
    await make_events(db, link, 35)
    await db.execute("UPDATE outbox SET available_at = now() + interval '40 days'")
    async with running(start(mover)):
        await arrived(db, 35)


async def test_a_locked_outbox_does_not_end_the_session(
    db: AsyncConnection, database: Database, mover: Mover, start: Start
) -> None:
    """While an index is built, for instance: looking for events of the future gives up and goes on."""
    async with running(start(mover)) as task:
        with held(database.conninfo, "LOCK TABLE outbox IN SHARE MODE"):
            assert not (await asyncio.wait({task}, timeout=6))[0]
        await make_events(db, await make_link(db), 5)
        await arrived(db, 5)


async def test_a_job_whose_notification_was_missed(
    db: AsyncConnection, mover: Mover, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that another relay had in hand when it was told of, and let go of by dying, is taken soon."""
    monkeypatch.setattr(consumer, "SWEEP", timedelta(minutes=5))

    async def idle() -> bool:
        return await count(db, "pgqueuer") == 0

    async with running(start(mover)):
        await make_events(db, await make_link(db), 1)
        await arrived(db, 1)
        await until(idle)
        async with db.transaction():
            await db.execute("ALTER TABLE pgqueuer DISABLE TRIGGER USER")
            await db.execute(
                "INSERT INTO pgqueuer (priority, entrypoint, status)"
                " VALUES (0, 'move_clicks', 'queued')"
            )
            await make_events(db, await make_link(db, "other"), 3)
        await arrived(db, 4)


async def test_many_clicks_one_job(
    db: AsyncConnection, make_mover: MakeMover, start: Start, observed: list[Observation]
) -> None:
    """However many clicks arrive, at most one job is queued, and few are ever made."""
    await db.execute("CREATE TABLE most (queued int)")
    await db.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO most SELECT count(*) FROM pgqueuer"
        " WHERE status = ''queued'' AND entrypoint = ''move_clicks''; RETURN NULL; END'"
    )
    await db.execute(
        "CREATE TRIGGER note AFTER INSERT ON pgqueuer FOR EACH STATEMENT EXECUTE FUNCTION note()"
    )
    link = await make_link(db)
    async with running(start(make_mover(batch_size=10))):
        for _ in range(40):
            await make_events(db, link, 10)
        await arrived(db, 400)
    cursor = await db.execute("SELECT max(queued), count(*) FROM most")
    ((most, jobs),) = await cursor.fetchall()
    assert 1 == most
    assert jobs < 100
    assert 400 == sum(each.moved for each in observed if isinstance(each, BatchMoved))


async def test_stop_ends_after_the_batch_in_hand(
    db: AsyncConnection, database: Database, make_mover: MakeMover, start: Start
) -> None:
    """Told to stop amid a long run, it finishes its batch and leaves the rest for the next."""
    stop = asyncio.Event()

    def handle(_: PendingEvent) -> None:
        stop.set()

    await make_events(db, await make_link(db), 500)
    assert await asyncio.wait_for(start(make_mover(batch_size=1, handle=handle)).run(stop), 20)
    moved = await count(db, "clicks")
    assert 1 <= moved < 500
    assert 500 == moved + await count(db, "outbox")
    assert await rollups_equal_clicks(db)
    cursor = await db.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name IN (%s, %s)",
        [APPLICATION, LISTENER],
    )
    assert 0 == await first(cursor)


async def test_a_stop_that_takes_too_long(
    db: AsyncConnection, database: Database, make_mover: MakeMover
) -> None:
    """A batch that does not end within the shutdown's time is cut off: not clean, nothing lost."""
    stop = asyncio.Event()
    await make_events(db, await make_link(db), 3)
    await db.execute(
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'"
    )
    await db.execute(
        "CREATE TRIGGER hang BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION hang()"
    )
    session = Session(
        database, make_mover(handle=lambda _: stop.set()), lambda _: None, shutdown_timeout=0.2
    )
    assert not await asyncio.wait_for(session.run(stop), 20)
    await db.execute("DROP TRIGGER hang ON clicks")
    cursor = await db.execute("SELECT DISTINCT attempts FROM outbox")
    assert [(0,)] == await cursor.fetchall()
    await make_mover().move(db)
    assert 3 == await count(db, "clicks")


async def test_a_lost_database_ends_the_session(
    db: AsyncConnection, database: Database, mover: Mover, start: Start
) -> None:
    """With all of its connections killed a session raises; it does not linger half alive."""
    task = asyncio.create_task(start(mover).run(asyncio.Event()))
    await make_events(db, await make_link(db), 1)
    await arrived(db, 1)
    terminate(database.conninfo)
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wait_for(task, 20)


@pytest.mark.parametrize("application", [APPLICATION, LISTENER, "%"])
async def test_the_relay_survives_killed_connections(
    database: Database,
    mover: Mover,
    start: Start,
    observed: list[Observation],
    application: str,
) -> None:
    """Whichever connections are killed, the pool's, the listener's, all: it moves again, by itself."""
    stop = asyncio.Event()
    relay = asyncio.create_task(
        runner._sessions(start(mover), RelaySettings(), database, observed.append, stop)
    )
    async with await database.aconnect("everyclick-test") as db:
        link = await make_link(db)
        for expected in (5, 10, 15):
            await make_events(db, link, 5)
            await arrived(db, expected)
            cursor = await db.execute(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND application_name LIKE %s",
                [application],
            )
            assert await first(cursor) > 0
        await make_events(db, link, 5)
        await arrived(db, 20)
        assert await rollups_equal_clicks(db)
    assert not relay.done()
    stop.set()
    assert await asyncio.wait_for(relay, 20)
    if application != APPLICATION:
        assert any(isinstance(each, DatabaseUnavailable) for each in observed)


async def test_a_transient_failure_is_tried_again(
    db: AsyncConnection, mover: Mover, start: Start, observed: list[Observation]
) -> None:
    """A batch that the database turned away for a moment is moved later, at no attempt's cost."""
    await db.execute("CREATE SEQUENCE tries")
    await db.execute(
        "CREATE FUNCTION moment() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF nextval(''tries'') < 4 THEN RAISE deadlock_detected; END IF; RETURN NEW; END'"
    )
    await db.execute(
        "CREATE TRIGGER moment BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION moment()"
    )
    sent = await make_events(db, await make_link(db), 2)
    async with running(start(mover)):
        await arrived(db, 2)
    assert set(sent) == await message_ids(db, "clicks")
    cursor = await db.execute("SELECT DISTINCT attempts FROM clicks")
    assert [(1,)] == await cursor.fetchall()
    assert {"move_clicks"} == {
        each.doing for each in observed if isinstance(each, DatabaseUnavailable)
    }


async def test_a_deleted_link_is_purged_unasked(
    db: AsyncConnection, mover: Mover, start: Start, observed: list[Observation]
) -> None:
    """After a link is deleted its clicks go without anyone asking for it."""
    link = await make_link(db)
    await make_events(db, link, 5)
    async with running(start(mover)):
        await arrived(db, 5)
        await link_delete(db, link)

        async def purged() -> bool:
            return not (await outbox_work(db)).links_deleted

        await until(purged)
    assert (0, 0) == (await count(db, "clicks"), await count(db, "clicks_hourly"))
    assert LinkPurged(link, 5) in observed


async def test_two_relays_share_the_work(
    db: AsyncConnection, make_mover: MakeMover, start: Start, observed: list[Observation]
) -> None:
    """Two sessions on one database count each event once."""
    link = await make_link(db)
    mover = make_mover(batch_size=20)
    async with running(start(mover)), running(start(mover)):
        for _ in range(20):
            await make_events(db, link, 20)
        await arrived(db, 400)
    moved = [each for each in observed if isinstance(each, BatchMoved)]
    assert (400, 0) == (sum(m.moved for m in moved), sum(m.duplicates for m in moved))
    assert await rollups_equal_clicks(db)


async def test_a_dead_relays_job_holds_nothing_up(
    db: AsyncConnection, mover: Mover, start: Start
) -> None:
    """A job that a killed relay had picked, and would keep for 30 s, keeps no event waiting."""
    await db.execute(
        "INSERT INTO pgqueuer (priority, entrypoint, status, queue_manager_id)"
        " VALUES (0, 'move_clicks', 'picked', gen_random_uuid())"
    )
    await make_events(db, await make_link(db), 3)
    async with running(start(mover)):
        await arrived(db, 3)


async def test_two_relays_behind_a_pooler(
    db: AsyncConnection,
    database: Database,
    make_mover: MakeMover,
    observed: list[Observation],
) -> None:
    """Two sessions that share one server connection, and which nothing can notify, count each
    event once; so they do when a relay that picked a job is gone, and both end cleanly.
    """
    link = await make_link(db)
    mover = make_mover(batch_size=20)
    with bounced(database, size=1) as bouncer:
        sessions = [
            Session(bouncer.database, mover, observed.append, shutdown_timeout=5.0) for _ in "ab"
        ]
        async with running(sessions[0]), running(sessions[1]):
            for expected in range(20, 401, 20):
                await make_events(db, link, 20)
                if expected == 200:
                    await arrived(db, expected)
                    await db.execute(
                        "INSERT INTO pgqueuer (priority, entrypoint, status, queue_manager_id)"
                        " VALUES (0, 'move_clicks', 'picked', gen_random_uuid())"
                    )
            await arrived(db, 400)
    moved = [each for each in observed if isinstance(each, BatchMoved)]
    assert (400, 0) == (sum(m.moved for m in moved), sum(m.duplicates for m in moved))
    assert await rollups_equal_clicks(db)


async def test_an_event_that_hangs_behind_a_pooler(
    db: AsyncConnection,
    database: Database,
    make_mover: MakeMover,
    observed: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the setting that the README asks for, what the relay has given up ends on the server,
    and the event that hangs holds up nobody.
    """
    monkeypatch.setattr("relay.session.PATIENCE", 2.0)
    monkeypatch.setattr("relay.driver.HEARTBEAT", 0.5)
    await db.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET client_connection_check_interval"
        " = ''100ms''', current_database()); END $$"
    )
    link = await make_link(db)
    hangs = await make_event(db, link, user_agent="hang")
    await make_events(db, link, 1)
    await do_on_insert(db, "hang", "PERFORM pg_sleep(600)")
    mover = make_mover(batch_size=2, max_attempts=1)

    async def over() -> bool:
        return {hangs} == await message_ids(db, "dead_letters") and 1 == await count(db, "clicks")

    with bounced(database, size=5) as bouncer:
        session = Session(bouncer.database, mover, observed.append, shutdown_timeout=5.0)
        async with running(session):
            await until(over, within=60.0)


async def test_a_click_counts_soon_behind_a_pooler(
    db: AsyncConnection, database: Database, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that nothing notifies is woken by its own watcher, not by PgQueuer's next sweep."""
    monkeypatch.setattr(consumer, "SWEEP", timedelta(minutes=5))
    link = await make_link(db)
    with bounced(database) as bouncer:
        async with running(Session(bouncer.database, mover, lambda _: None, shutdown_timeout=5.0)):
            for expected in range(1, 6):
                await make_events(db, link, 1)
                await arrived(db, expected)
            await link_delete(db, link)

            async def purged() -> bool:
                return not (await outbox_work(db)).links_deleted

            await until(purged)


async def test_a_killed_pooler(
    db: AsyncConnection, database: Database, mover: Mover, observed: list[Observation]
) -> None:
    """When the pooler is killed and comes back the relay goes on by itself; each event counts once."""
    stop = asyncio.Event()
    link = await make_link(db)
    with bounced(database) as bouncer:
        session = Session(bouncer.database, mover, observed.append, shutdown_timeout=5.0)
        relay = asyncio.create_task(
            runner._sessions(session, RelaySettings(), bouncer.database, observed.append, stop)
        )
        for expected in (50, 150, 250):
            await make_events(db, link, 50)
            await arrived(db, expected)
            bouncer.end()
            await make_events(db, link, 50)
            bouncer.start()
            await arrived(db, expected + 50)
        stop.set()
        assert await asyncio.wait_for(relay, 20)
    assert await rollups_equal_clicks(db)
    assert any(isinstance(each, DatabaseUnavailable) for each in observed)


async def test_a_server_that_says_nothing_is_left(
    db: AsyncConnection,
    database: Database,
    mover: Mover,
    observed: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No answer, no end of the connection: the session falls by itself, and the next one works."""
    monkeypatch.setattr("relay.session.PATIENCE", 0.5)
    monkeypatch.setattr("relay.driver.HEARTBEAT", 0.1)
    link = await make_link(db)
    async with proxied(database) as (proxy, near):
        session = Session(near, mover, observed.append, shutdown_timeout=1.0)
        fallen = asyncio.create_task(session.run(asyncio.Event()))
        await make_events(db, link, 5)
        await arrived(db, 5)
        proxy.hang()
        await make_events(db, link, 5)
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(fallen, 20)
        proxy.go_on()
        async with running(session):
            await arrived(db, 10)


async def test_a_batch_in_hand_does_not_hold_up_the_next_session(
    db: AsyncConnection, database: Database, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the listener finds that the server does not answer, no other statement is waited for."""
    monkeypatch.setattr("relay.session.PATIENCE", 60.0)
    monkeypatch.setattr("relay.driver.HEARTBEAT", 0.1)
    monkeypatch.setattr("relay.driver.ALIVE_SECONDS", 0.5)
    asked = asyncio.Event()

    async def move(connection: AsyncConnection) -> bool:
        asked.set()
        await connection.execute("SELECT pg_sleep(60)")
        return False

    monkeypatch.setattr(mover, "move", move)
    await make_events(db, await make_link(db), 1)
    async with proxied(database) as (proxy, near):
        session = Session(near, mover, lambda _: None, shutdown_timeout=1.0)
        fallen = asyncio.create_task(session.run(asyncio.Event()))
        await asyncio.wait_for(asked.wait(), 20)
        proxy.hang()
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(fallen, 20)
        proxy.go_on()


NOBODY_HEARS = """
CREATE FUNCTION full_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE 'too many notifications in the NOTIFY queue' USING ERRCODE = '54000'; END $$;
CREATE TRIGGER full_queue AFTER INSERT ON pgqueuer EXECUTE FUNCTION full_queue()
"""


async def test_a_full_queue_of_notifications_holds_up_nothing(
    db: AsyncConnection, mover: Mover, start: Start, observed: list[Observation]
) -> None:
    """Clicks are moved and links purged without a job meanwhile, it is told once, then jobs go on."""
    link = await make_link(db)
    gone = await make_link(db, "gone")
    await db.execute(NOBODY_HEARS)
    await make_events(db, gone, 2)
    async with running(start(mover)):
        for clicks in (2, 5, 8):
            await arrived(db, clicks)
            await make_events(db, link, 3)
        await arrived(db, 11)
        await link_delete(db, gone)
        await arrived(db, 9)
        told = [each.doing for each in observed if isinstance(each, DatabaseUnavailable)]
        assert ["notify"] == told
        await db.execute("DROP TRIGGER full_queue ON pgqueuer")
        await make_events(db, link, 4)
        await arrived(db, 13)
    assert await rollups_equal_clicks(db)
    cursor = await db.execute("SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'")
    assert await first(cursor) >= 1


@pytest.fixture
def limited(server: str, database: Database) -> Iterator[Database]:
    """The same database for a role of the test's own, which may do everything at first."""
    role = f"limited_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'for tests alone'".encode())
        with database.connect() as owner:
            for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
                owner.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {role}".encode())
        conninfo = make_conninfo(database.conninfo, user=role, password="for tests alone")
        yield Database("url", conninfo, role, "psql")
        with database.connect() as owner:
            owner.execute(f"DROP OWNED BY {role}".encode())
        admin.execute(f"DROP ROLE {role}".encode())


async def test_a_missing_privilege(
    db: AsyncConnection,
    limited: Database,
    mover: Mover,
    observed: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clicks wait at no attempt while INSERT is revoked, which counts as failed, not as unavailable;
    after GRANT they are counted.
    """
    await db.execute(f"REVOKE INSERT ON clicks FROM {limited.where}".encode())
    link = await make_link(db)
    await make_events(db, link, 3)
    await db.execute("UPDATE outbox SET occurred_at = now() - interval '2 hours'")
    tries: list[AsyncConnection] = []
    move = mover.move

    async def counted(connection: AsyncConnection) -> bool:
        tries.append(connection)
        return await move(connection)

    monkeypatch.setattr(mover, "move", counted)
    session = Session(limited, mover, observed.append, shutdown_timeout=5.0)
    async with running(session):

        async def tried_again() -> bool:
            return len(tries) > 6

        await until(tried_again)
        cursor = await db.execute("SELECT DISTINCT attempts, available_at > now() FROM outbox")
        assert [(0, False)] == await cursor.fetchall()
        failed = [each.job for each in observed if isinstance(each, JobFailed)]
        assert {"move_clicks"} == set(failed)
        assert len(tries) - 1 <= len(failed)
        assert [] == [e for e in observed if isinstance(e, DatabaseUnavailable | EventSetAside)]
        measured = [each for each in observed if isinstance(each, PipelineMeasured)]
        assert all(each.oldest > 3600 for each in measured)
        await db.execute(f"GRANT INSERT ON clicks TO {limited.where}".encode())
        await arrived(db, 3)
    assert await rollups_equal_clicks(db)
