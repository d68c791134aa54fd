from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest

from service.allowances import Limit, Taken, take
from service.contract.postgres import Database
from service.store.allowances import allowance_give_back, allowance_take
from tests.support.ledger import count, until, waits_for_lock

LIMIT = Limit(10, timedelta(minutes=15))


async def rows(db: psycopg.AsyncConnection) -> int:
    """How many allowances are kept."""
    return await count(db, "allowances")


@pytest.mark.parametrize(
    "limit", [LIMIT, Limit(1, timedelta(seconds=1)), Limit(7, timedelta(minutes=1))], ids=str
)
async def test_the_statement_is_the_arithmetic(db: psycopg.AsyncConnection, limit: Limit) -> None:
    """What Postgres computes is what the pure function does, to the microsecond."""
    full_at = None
    for _ in range(limit.quota + 3):
        taken = await allowance_take(db, b"k", limit)
        expected = take(limit, full_at, taken.at)
        assert (expected.allowed, expected.remaining) == (taken.allowed, taken.remaining)
        if full_at is not None and full_at > taken.at:
            assert expected == taken
        full_at = taken.full_at


async def test_many_at_once(database: Database, db: psycopg.AsyncConnection) -> None:
    """Of 20 that try at once, on connections of their own, just 10 are allowed."""

    async def one() -> Taken:
        async with await database.aconnect("one of many") as connection:
            return await allowance_take(connection, b"k", LIMIT)

    told = await asyncio.gather(*(one() for _ in range(20)))
    assert 10 == sum(each.allowed for each in told)
    assert list(range(10)) == sorted(each.remaining for each in told if each.allowed)
    assert 1 == await rows(db)


async def test_refused_by_a_row_it_cannot_see(
    database: Database, db: psycopg.AsyncConnection
) -> None:
    """A statement that began before the row was there is refused like any other."""
    one = Limit(1, timedelta(minutes=1))
    async with await database.aconnect("first") as first:
        async with first.transaction():
            assert (await allowance_take(first, b"k", one)).allowed
            second = asyncio.create_task(allowance_take(db, b"k", one))
            await until(lambda: waits_for_lock(first))
        told = await second
    assert (False, 0) == (told.allowed, told.remaining)
    assert 55 <= told.retry_after <= 60


async def test_what_is_given_back_is_there(db: psycopg.AsyncConnection) -> None:
    """A unit given back can be taken again, and never more than all."""
    for _ in range(30):
        assert (await allowance_take(db, b"k", LIMIT)).allowed
        await allowance_give_back(db, b"k", LIMIT)
    for _ in range(20):
        await allowance_give_back(db, b"k", LIMIT)
    told = [(await allowance_take(db, b"k", LIMIT)).allowed for _ in range(12)]
    assert [True] * 10 + [False] * 2 == told


async def test_a_clock_that_was_ahead_locks_nobody_out(db: psycopg.AsyncConnection) -> None:
    """A row set by a clock 40 days ahead counts as a whole allowance once the clock is back."""
    await allowance_take(db, b"k", LIMIT)
    await db.execute("UPDATE allowances SET full_at = full_at + interval '40 days'")
    told = [await allowance_take(db, b"k", LIMIT) for _ in range(11)]
    assert [*[True] * 10, False] == [each.allowed for each in told]


async def test_old_rows_go_a_few_at_a_time(db: psycopg.AsyncConnection) -> None:
    """Allowances that are whole are tidied away by those who take; the others stay."""
    await db.execute(
        "INSERT INTO allowances SELECT n::text::bytea, now() - interval '1 hour' FROM generate_series(1, 9) n"
    )
    for left in (8, 6, 4, 2, 1):
        await allowance_take(db, b"k", LIMIT)
        assert left == await rows(db)
    assert not (await allowance_take(db, b"k", Limit(1, timedelta(minutes=1)))).allowed


async def test_tidying_does_not_stand_in_anybodys_way(
    database: Database, db: psycopg.AsyncConnection
) -> None:
    """Many at once whose rows are old themselves, and whose neighbours tidy them: nobody fails."""
    await db.execute(
        "INSERT INTO allowances SELECT n::text::bytea, now() - interval '1 hour' FROM generate_series(1, 200) n"
    )

    async def some(n: int) -> list[bool]:
        async with await database.aconnect("one of many") as connection:
            return [
                (
                    await allowance_take(connection, str((n * 7 + i) % 200 + 1).encode(), LIMIT)
                ).allowed
                for i in range(50)
            ]

    told = await asyncio.gather(*(some(n) for n in range(8)))
    assert all(all(each) for each in told)


async def test_old_rows_are_found_by_index(db: psycopg.AsyncConnection) -> None:
    """Tidying looks at the few it removes, not at all there are."""
    await db.execute(
        "INSERT INTO allowances SELECT sha256(n::text::bytea), now() + n * interval '1 second'"
        " FROM generate_series(1, 20000) n"
    )
    await db.execute("ANALYZE allowances")
    from service.contract import statements

    text = statements.load("service")["allowance_take"]
    cursor = await db.execute(
        b"EXPLAIN " + text.encode(),
        {"key": b"k", "interval": LIMIT.interval, "span": LIMIT.span},
    )
    plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "Seq Scan on allowances" not in plan, plan
