"""One statement looks a link up and records its click; nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from service.contract import statements
from service.contract.events import Click, new_message_id
from service.contract.outbox import Resolved, Visit, visits_record
from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.ledger import count, make_link
from tests.support.plans import scanned

DEAD = ("expires_at = now()", "expires_at = now() - interval '1 s'", "disabled_at = now()")


async def record(db: AsyncConnection, code: str, click: Click | None) -> Resolved | None:
    """Record one visit on its own; without a click it is only looked up."""
    return (await visits_record(db, [Visit(code, click)])).get(code)


def click() -> Click:
    """A click of a browser that says something about itself."""
    return Click(new_message_id(), "https://example.org/", "Agent")


async def test_a_live_links_click_is_recorded(db: AsyncConnection) -> None:
    """The target comes back, and the outbox has one event with all it needs, due at once."""
    link = await make_link(db)
    sent = click()
    assert Resolved("https://example.com/", live=True) == await record(db, "hello", sent)
    cursor = await db.execute(
        "SELECT message_id, link_id, referrer, user_agent, attempts, last_error, first_failed_at,"
        " occurred_at BETWEEN now() - interval '1 min' AND now(), available_at <= now()"
        " FROM outbox"
    )
    expected = (sent.message_id, link, "https://example.org/", "Agent", 0, None, None, True, True)
    assert [expected] == await cursor.fetchall()


async def test_a_link_that_expires_later_is_live(db: AsyncConnection) -> None:
    """Until its last moment a link's clicks count."""
    await make_link(db)
    await db.execute("UPDATE links SET expires_at = now() + interval '1 h'")
    found = await record(db, "hello", click())
    assert found is not None
    assert found.live
    assert 1 == await count(db, "outbox")


@pytest.mark.parametrize("dead", DEAD)
async def test_a_dead_links_click_is_not(db: AsyncConnection, dead: str) -> None:
    """An expired or disabled link is found, not live, and nothing is written."""
    await make_link(db)
    await db.execute(f"UPDATE links SET {dead}".encode())
    expected = Resolved("https://example.com/", live=False)
    assert expected == await record(db, "hello", click())
    assert expected == await record(db, "hello", None)
    assert 0 == await count(db, "outbox")


@pytest.mark.parametrize("code", ["unknown", "Hello", "hell", "hello ", "%", ""])
async def test_an_unknown_code(db: AsyncConnection, code: str) -> None:
    """A code nobody has, to the byte, leads nowhere and writes nothing."""
    await make_link(db)
    assert None is await record(db, code, click())
    assert None is await record(db, code, None)
    assert 0 == await count(db, "outbox")


async def test_the_same_click_twice_is_one_event(db: AsyncConnection) -> None:
    """A retried try answers the same and adds nothing."""
    await make_link(db)
    sent = click()
    first = await record(db, "hello", sent)
    assert first == await record(db, "hello", sent)
    assert 1 == await count(db, "outbox")


async def test_looking_records_nothing(db: AsyncConnection) -> None:
    """HEAD's lookup answers the same and writes nothing."""
    await make_link(db)
    assert Resolved("https://example.com/", live=True) == await record(db, "hello", None)
    assert 0 == await count(db, "outbox")


async def rows_written(db: AsyncConnection) -> dict[str, tuple[int, int, int]]:
    """Rows inserted, updated and deleted in each of our tables by this transaction."""
    cursor = await db.execute(
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables"
        " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
    )
    return {name: (made, changed, gone) for name, made, changed, gone in await cursor.fetchall()}


async def test_nothing_but_one_event_is_written(db: AsyncConnection, database: Database) -> None:
    """The click's transaction inserts one row into the outbox and locks rows of no other table."""
    await make_link(db)
    async with await database.aconnect() as fresh, fresh.transaction():
        await record(fresh, "hello", click())
        assert {"outbox": (1, 0, 0)} == await rows_written(fresh)
        locks = await fresh.execute(
            "SELECT DISTINCT relation::regclass::text FROM pg_locks"
            " WHERE pid = pg_backend_pid() AND mode LIKE 'Row%%Lock' AND relation IS NOT NULL"
            " AND relation::regclass::text NOT LIKE 'outbox_%%'"
        )
        assert [("outbox",)] == await locks.fetchall()


async def test_no_trigger_no_notification(db: AsyncConnection, database: Database) -> None:
    """Neither links nor outbox has a trigger or a rule, and nobody is notified.

    What that spares a redirect is in tests/costs/test_commit_lock.py.
    """
    cursor = await db.execute(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('links'::regclass, 'outbox'::regclass)"
        " AND NOT tgisinternal"
    )
    assert [(0,)] == await cursor.fetchall()
    cursor = await db.execute(
        "SELECT count(*) FROM pg_rewrite WHERE ev_class IN ('links'::regclass, 'outbox'::regclass)"
    )
    assert [(0,)] == await cursor.fetchall()
    await make_link(db)
    async with await database.aconnect() as listener:
        await listener.execute("LISTEN ch_pgqueuer")
        await record(db, "hello", click())
        await db.execute("SELECT pg_notify('ch_pgqueuer', 'the end')")
        async for note in listener.notifies(timeout=10, stop_after=1):
            assert "the end" == note.payload


async def test_one_statement(db: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A click costs one round trip: one execute, no BEGIN before it, no COMMIT after it."""
    await make_link(db)
    sent: list[str] = []
    really: Any = psycopg.AsyncCursor.execute

    async def execute(cursor: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        sent.append(query)
        return await really(cursor, query, *arguments, **named)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", execute)
    await record(db, "hello", click())
    assert [statements.load("service.contract")["visits_record"]] == sent
    assert psycopg.pq.TransactionStatus.IDLE == db.info.transaction_status


async def test_any_code_is_only_a_value(db: AsyncConnection) -> None:
    """Quotes and comments in what a browser says stay text."""
    await make_link(db)
    rude = "'; DROP TABLE outbox; --"
    await record(db, "hello", Click(new_message_id(), rude, rude))
    assert None is await record(db, rude, click())
    cursor = await db.execute("SELECT referrer, user_agent FROM outbox")
    assert [(rude, rude)] == await cursor.fetchall()


@pytest.fixture(scope="module")
def crowded(template: Template) -> Iterator[Database]:
    """A database with 100 000 links."""
    with template.clone() as database:
        with database.connect() as connection:
            connection.execute(
                "INSERT INTO links (code, target)"
                " SELECT 'code' || n, 'https://example.com/' FROM generate_series(1, 100000) AS n"
            )
            connection.execute("ANALYZE links")
        yield database


@pytest.mark.parametrize("visits", [1, 256])
async def test_the_lookup_uses_the_index(crowded: Database, visits: int) -> None:
    """Among 100 000 links one is found through the index, and so are 256 at once."""
    told = json.dumps([{"c": f"code{n}", "m": str(new_message_id())} for n in range(visits)])
    async with await crowded.aconnect() as db:
        statement = statements.load("service.contract")["visits_record"]
        assert set() == await scanned(db, statement, {"visits": told})


async def test_many_visits_each_get_their_own(db: AsyncConnection) -> None:
    """Live, dead, unknown, asked twice and looked at: one statement tells them apart."""
    one, _ = await make_link(db, "one"), await make_link(db, "dead")
    two = await make_link(db, "two")
    await db.execute("UPDATE links SET disabled_at = now() WHERE code = 'dead'")
    sent = [click() for _ in range(5)]
    visits = [
        *(
            Visit(code, each)
            for code, each in zip(("one", "dead", "no", "two", "one"), sent, strict=True)
        ),
        Visit("two", None),
    ]
    found = await visits_record(db, visits)
    assert {"one": True, "two": True, "dead": False} == {c: r.live for c, r in found.items()}
    cursor = await db.execute("SELECT message_id, link_id FROM outbox")
    expected = {(sent[0].message_id, one), (sent[3].message_id, two), (sent[4].message_id, one)}
    assert expected == set(await cursor.fetchall())


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    "given,expected",
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply",) * 2],
)
async def test_the_commit_is_durable(
    db: AsyncConnection, database: Database, given: str, expected: str, *, again: bool
) -> None:
    """A transaction sets synchronous_commit itself where the session cannot; remote_apply stays."""
    await make_link(db)
    accepted = replace(database, durable=False)
    async with await accepted.aconnect() as connection, connection.transaction():
        await connection.execute(f"SET synchronous_commit = {given}".encode())
        await visits_record(connection, [Visit("hello", click())], again=again, durable=True)
        cursor = await connection.execute("SHOW synchronous_commit")
        assert (expected,) == await cursor.fetchone()


async def test_a_repeated_try_writes_to_the_log(db: AsyncConnection, database: Database) -> None:
    """Its COMMIT then waits for what the first one wrote, although it finds the row there."""
    await make_link(db)
    visits = [Visit("hello", click())]
    first = await visits_record(db, visits)
    for again in (False, True):
        async with await database.aconnect() as connection, connection.transaction():
            assert first == await visits_record(connection, visits, again=again)
            cursor = await connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            assert (again,) == await cursor.fetchone()
    assert 1 == await count(db, "outbox")
