"""A redirect waits until its click is committed, or for so long, and never longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from service.contract import gate
from service.contract.bounded import BoundedConnection
from service.contract.events import Click, new_message_id
from service.contract.fitness import durability_check
from service.contract.observations import DatabaseUnavailable, Observation
from service.contract.outbox import Resolved
from service.contract.postgres import Database
from service.errors import Unavailable
from service.recorder import Limits, Recorder
from service.settings import ServiceSettings
from tests.support.bouncer import bounced
from tests.support.ledger import (
    count,
    first,
    held,
    make_link,
    message_ids,
    until,
    waits_for_lock,
)
from tests.support.proxy import proxied

FOUND = Resolved("https://example.com/", live=True)

BLOCKED = "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"


def click() -> Click:
    """A click that says nothing about itself."""
    return Click(new_message_id(), None, None)


async def vet(connection: AsyncConnection) -> None:
    """A connection is good when a commit on it is durable."""
    await durability_check(connection)


@asynccontextmanager
async def recording(
    database: Database, observed: list[Observation], **limits: Any
) -> AsyncIterator[Recorder]:
    """Yield a recorder with these limits and the usual ones."""
    recorder = Recorder(database, observed.append, vet, Limits(**limits))
    try:
        yield recorder
    finally:
        await recorder.close()


async def transactions(db: AsyncConnection) -> int:
    """How many transactions have put something into the outbox."""
    return await first(await db.execute("SELECT count(DISTINCT xmin::text) FROM outbox"))


def test_the_deadline_keeps_the_promise() -> None:
    """Clients are promised an answer within three seconds."""
    assert Limits().deadline < 3.0


async def test_those_that_arrive_together_travel_together(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """The first goes at once; those that arrive while it is under way share the next transaction."""
    await make_link(db)
    async with recording(database, observed, overlap=60.0) as recorder:
        with held(database.conninfo, BLOCKED):
            alone = asyncio.create_task(recorder.record("hello", click()))
            await until(lambda: waits_for_lock(db))
            joining = [asyncio.create_task(recorder.record("hello", click())) for _ in range(99)]
        found = await asyncio.gather(alone, *joining)
    assert [FOUND] * 100 == found
    assert 100 == await count(db, "outbox")
    assert 2 == await transactions(db)


async def test_a_batch_is_bounded(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """No transaction is larger than the limit."""
    await make_link(db)
    async with recording(database, observed, overlap=60.0, batch=10) as recorder:
        await asyncio.gather(*(recorder.record("hello", click()) for _ in range(31)))
    assert 4 == await transactions(db)


async def test_a_slow_transaction_is_overlapped(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """What arrives while a transaction takes long does not wait for it."""
    await make_link(db, "hello")
    await make_link(db, "other")
    async with recording(database, observed, overlap=0.01) as recorder:
        with held(database.conninfo, "SELECT FROM links WHERE code = 'hello' FOR UPDATE"):
            first_one = click()
            await db.execute(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM 1 FROM links WHERE code = ''hello'' FOR SHARE; RETURN NEW; END'"
            )
            await db.execute(
                "CREATE TRIGGER slow BEFORE INSERT ON outbox FOR EACH ROW"
                f" WHEN (NEW.message_id = '{first_one.message_id}') EXECUTE FUNCTION slow()".encode()
            )
            slow = asyncio.create_task(recorder.record("hello", first_one))
            await until(lambda: waits_for_lock(db))
            assert FOUND == await recorder.record("other", click())
            assert not slow.done()
        assert FOUND == await slow


@pytest.mark.parametrize("bad", [0, 7, 19])
async def test_a_bad_value_fails_nobody_else(
    db: AsyncConnection, database: Database, observed: list[Observation], bad: int
) -> None:
    """A visit that Postgres refuses is unavailable; those that travel with it are recorded."""
    await make_link(db)
    clicks = [click() for _ in range(20)]
    clicks[bad] = Click(new_message_id(), "NUL \0", None)
    async with recording(database, observed, overlap=60.0) as recorder:
        found = await asyncio.gather(
            *(recorder.record("hello", each) for each in clicks), return_exceptions=True
        )
    assert isinstance(found.pop(bad), Unavailable)
    assert [FOUND] * 19 == found
    assert 19 == await count(db, "outbox")


async def test_a_connection_lost_while_a_bad_value_is_sought(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """When the connection is lost between the halves of a batch, those not answered yet are tried
    again: the bad value is refused, its neighbour recorded, and nobody waits for ever.
    """
    await make_link(db)
    await db.execute("CREATE SEQUENCE tries")
    await db.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF nextval(''tries'') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid());"
        " END IF; RETURN NEW; END'"
    )
    await db.execute(
        "CREATE TRIGGER die BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION die()"
    )
    sent = click()
    async with recording(database, observed, lanes=1) as recorder, asyncio.timeout(10):
        refused, found = await asyncio.gather(
            recorder.record("hello", Click(new_message_id(), "NUL \0", None)),
            recorder.record("hello", sent),
            return_exceptions=True,
        )
    assert isinstance(refused, Unavailable)
    assert FOUND == found
    assert {sent.message_id} == await message_ids(db, "outbox")


async def test_a_click_is_recorded(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A live code leads somewhere and its click is in the outbox; looking leaves none."""
    await make_link(db)
    sent = click()
    async with recording(database, observed) as recorder:
        assert FOUND == await recorder.record("hello", sent)
        assert None is await recorder.record("unknown", click())
        assert FOUND == await recorder.record("hello", None)
    assert {sent.message_id} == await message_ids(db, "outbox")
    assert [] == observed


async def test_nobody_there(observed: list[Observation]) -> None:
    """Without a database a click is refused within the promised time, and that is reported."""
    absent = Database("url", "postgresql://127.0.0.1:1/nothing", "", "")
    async with recording(absent, observed) as recorder:
        started = monotonic()
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
        assert monotonic() - started < 3.0
    assert all(isinstance(each, DatabaseUnavailable) for each in observed)
    assert observed


async def test_a_locked_table(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A commit that does not come is given up in time, and reported once; when the table is free
    clicks are recorded again.
    """
    await make_link(db)
    given_up, sent = click(), click()
    async with recording(database, observed) as recorder:
        with held(database.conninfo, BLOCKED):
            started = monotonic()
            with pytest.raises(Unavailable):
                await recorder.record("hello", given_up)
            assert monotonic() - started < 3.0
        assert FOUND == await recorder.record("hello", sent)
    # What was given up may have been committed as the table came free, or not.
    found = await message_ids(db, "outbox")
    assert {sent.message_id} == found - {given_up.message_id}
    assert 1 == len(observed)


async def test_waiting_is_bounded(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """Past the bound clicks are shed at once; when the database goes on, so do the others."""
    await make_link(db)
    async with recording(database, observed, lanes=1, waiting=5) as recorder:
        with held(database.conninfo, BLOCKED):
            under_way = asyncio.create_task(recorder.record("hello", click()))
            await until(lambda: waits_for_lock(db))
            tries = [asyncio.create_task(recorder.record("hello", click())) for _ in range(50)]

            async def all_but_five() -> bool:
                return 45 == sum(each.done() for each in tries)

            await until(all_but_five)
        results = await asyncio.gather(under_way, *tries, return_exceptions=True)
    assert 6 == results.count(FOUND)
    assert 45 == sum(isinstance(each, Unavailable) for each in results)
    assert 6 == await count(db, "outbox")


async def test_killed_connections_are_replaced(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A click whose connection is killed under it is recorded by the next try, once."""
    await make_link(db)
    sent = click()
    async with recording(database, observed) as recorder:
        with held(database.conninfo, BLOCKED) as blocker:
            recorded = asyncio.create_task(recorder.record("hello", sent))
            await until(lambda: waits_for_lock(db))
            cursor = await db.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'everyclick-service'"
                " AND wait_event_type = 'Lock'"
            )
            assert [(True,)] == await cursor.fetchall()
            blocker.rollback()
            assert FOUND == await recorded
    assert {sent.message_id} == await message_ids(db, "outbox")
    assert 1 == await count(db, "outbox")
    assert 1 == len(observed)


async def test_a_restarted_database_loses_no_click(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """With every pooled connection dead at once, as after a restart, all clicks are recorded."""
    await make_link(db)
    async with recording(database, observed, batch=1, overlap=0.0) as recorder:
        with held(database.conninfo, BLOCKED) as blocker:
            tries = [asyncio.create_task(recorder.record("hello", click())) for _ in range(4)]
            await until(lambda: waits_for_lock(db, 3))
            blocker.rollback()
            await asyncio.gather(*tries)
        await db.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'everyclick-service'"
        )
        results = await asyncio.gather(*(recorder.record("hello", click()) for _ in range(8)))
    assert [FOUND] * 8 == results
    assert 12 == await count(db, "outbox")


async def test_a_lost_answer(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A click that was committed, but whose answer was lost, is tried again and stays one."""
    await make_link(db)
    sent = click()
    async with proxied(database) as (proxy, broken), recording(broken, observed) as recorder:
        assert FOUND == await recorder.record("hello", None)
        proxy.lose_answer = True
        assert FOUND == await recorder.record("hello", sent)
        assert not proxy.lose_answer
    assert {sent.message_id} == await message_ids(db, "outbox")
    assert 1 == await count(db, "outbox")


async def test_a_hanging_server(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A server that takes the statement and says nothing, not even to a cancel, is given up too."""
    await make_link(db)
    async with proxied(database) as (proxy, broken), recording(broken, observed) as recorder:
        assert FOUND == await recorder.record("hello", None)
        proxy.hang()
        started = monotonic()
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
        assert monotonic() - started < 3.0
        proxy.go_on()
        assert FOUND == await recorder.record("hello", click())


async def test_no_commit_is_acknowledged_that_may_be_lost(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A server that would lose the commit in a crash gets no click, whenever that began."""
    await make_link(db)
    await db.execute("ALTER TABLE outbox SET UNLOGGED")
    async with recording(database, observed) as recorder:
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
        assert 0 == await count(db, "outbox")
        await db.execute("ALTER TABLE outbox SET LOGGED")
        assert FOUND == await recorder.record("hello", click())


async def test_a_missing_table(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A database that was not migrated is unavailable, not a crash."""
    await db.execute("DROP TABLE outbox")
    async with recording(database, observed) as recorder:
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
    assert 1 == len(observed)


async def test_a_client_that_goes_away(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """When the request is cancelled its try ends and its connection serves the next."""
    await make_link(db)
    async with recording(database, observed, lanes=1) as recorder:
        with held(database.conninfo, BLOCKED):
            gone = asyncio.create_task(recorder.record("hello", click()))
            await until(lambda: waits_for_lock(db))
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
        assert FOUND == await recorder.record("hello", click())


async def test_a_hanging_look_at_a_new_connection(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A server that stops answering before the connection was found good keeps no lane for ever."""
    await make_link(db)
    async with proxied(database) as (proxy, broken):

        async def hang_and_vet(connection: AsyncConnection) -> None:
            proxy.hang()
            await vet(connection)

        recorder = Recorder(broken, observed.append, hang_and_vet, Limits(lanes=1))
        try:
            with pytest.raises(Unavailable):
                await recorder.record("hello", click())

            async def idle() -> bool:
                return not recorder._busy

            await until(idle, within=3.0)
        finally:
            await recorder.close()


async def test_many_share_few_server_connections(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """Behind a pooler recorders and others with statements of their own share one or two server
    connections; each click is recorded once, and each query gets its own answer.
    """
    await make_link(db)
    sent = [click() for _ in range(600)]
    with bounced(database) as bouncer:
        async with (
            recording(bouncer.database, observed, batch=4, overlap=0.0) as one,
            recording(bouncer.database, observed, batch=4, overlap=0.0) as two,
            bouncer.database.pool("everyclick-api", size=2, waiting=9) as pool,
        ):
            asked = asyncio.create_task(_ask(pool))
            found = await asyncio.gather(
                *(one.record("hello", each) for each in sent[::2]),
                *(two.record("hello", each) for each in sent[1::2]),
            )
            assert list(range(100)) == await asked
    assert [FOUND] * 600 == found
    assert {each.message_id for each in sent} == await message_ids(db, "outbox")
    assert 600 == await count(db, "outbox")
    assert [] == observed


async def _ask(pool: AsyncConnectionPool) -> list[int]:
    answers = []
    for number in range(100):
        async with pool.connection() as connection:
            answers.append(await first(await connection.execute("SELECT %s::int", [number])))
    return answers


async def test_a_killed_pooler(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A pooler that is killed amid transactions and started again loses no click and doubles none,
    although the server goes on to commit what the pooler had handed it.
    """
    await make_link(db)
    sent = [click() for _ in range(300)]
    with bounced(database) as bouncer:
        async with recording(
            bouncer.database, observed, batch=4, overlap=0.0, deadline=60.0
        ) as recorder:
            with held(database.conninfo, BLOCKED) as blocker:
                tries = [asyncio.create_task(recorder.record("hello", each)) for each in sent]
                await until(lambda: waits_for_lock(db, 2))
                bouncer.end()
                blocker.rollback()
            bouncer.start()
            results = await asyncio.gather(*tries)
    assert [FOUND] * 300 == results
    assert {each.message_id for each in sent} == await message_ids(db, "outbox")
    assert 300 == await count(db, "outbox")
    assert any(isinstance(each, DatabaseUnavailable) for each in observed)


async def test_an_altered_table_needs_no_restart(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A statement that was prepared for the table as it was is prepared anew; no visit notices."""
    await make_link(db)
    async with recording(database, observed, lanes=1) as recorder:
        assert FOUND == await recorder.record("hello", click())
        await db.execute("ALTER TABLE links ALTER COLUMN target TYPE varchar(5000)")
        assert FOUND == await recorder.record("hello", click())
    assert 2 == await count(db, "outbox")


async def test_a_newer_schema_is_served(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A release migrates before its code comes; the code that is to go serves on until then."""
    await make_link(db)
    recorder = Recorder(database, observed.append, partial(gate.vet, settings=ServiceSettings()))
    try:
        await db.execute("UPDATE alembic_version SET version_num = '9999'")
        assert FOUND == await recorder.record("hello", click())
        await recorder.close()
        await db.execute("UPDATE alembic_version SET version_num = '0000'")
        with pytest.raises(Unavailable):
            await recorder.record("hello", click())
    finally:
        await recorder.close()


async def test_a_read_only_server_is_told_of_once(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """What no visit can help is neither halved nor repeated; when it is over, visits are recorded."""
    await make_link(db)
    name = db.info.dbname
    async with recording(database, observed, lanes=1) as recorder:
        await db.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
        visits = [recorder.record("hello", click()) for _ in range(200)]
        answers = await asyncio.gather(*visits, return_exceptions=True)
        assert {Unavailable} == {type(answer) for answer in answers}
        assert len(observed) <= 2  # the first visit goes alone, the others together
        await db.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
        assert FOUND == await recorder.record("hello", click())


async def test_deadlines_outlive_an_error(
    db: AsyncConnection,
    database: Database,
    observed: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever goes wrong in giving one batch up, the next visits are given up in their time too."""
    await make_link(db)

    def fail(_: BoundedConnection) -> None:
        raise OSError("no more descriptors")

    monkeypatch.setattr(BoundedConnection, "end", fail)
    loop = asyncio.get_running_loop()
    met: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: met.append(context))
    async with recording(database, observed, deadline=0.2) as recorder:
        with held(database.conninfo, BLOCKED):
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(recorder.record("hello", click()), 20)
        monkeypatch.undo()
    assert met


async def test_nobody_waits_for_a_closed_recorder(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """Closing answers whoever still waits, and leaves no connection open."""
    await make_link(db)
    async with recording(database, observed, lanes=1, batch=1) as recorder:
        with held(database.conninfo, BLOCKED):
            visits = [asyncio.create_task(recorder.record("hello", click())) for _ in range(20)]
            await until(lambda: waits_for_lock(db))
            await recorder.close()
            answers = await asyncio.gather(*visits, return_exceptions=True)
    assert {Unavailable} == {type(answer) for answer in answers}
