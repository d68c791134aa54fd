"""What a redirect costs the database. The claims of speed rest on these counts, which are the same
on every machine.
"""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer
from psycopg import AsyncConnection

from service.app import create_app
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.lifespan import POOL
from service.recorder import Limits
from service.settings import ServiceSettings
from tests.conftest import KEY
from tests.costs.conftest import REFERRER, USER_AGENT, Counted
from tests.support.costs import Spent, spent, touched
from tests.support.ledger import count, first, held, until, waits_for_lock
from tests.support.proxy import proxied

AT_ONCE = (1, 8, 64)

CLICKS = 256

WAL = {1: 560, 8: 525, 64: 520}
"""Bytes a click writes to the log, at most, so many arriving together. Measured 531, 496 and 492 on
Postgres 15 and 18, within 1; 168 of them are what the browser said. The margin is half of what the least
index more on the outbox costs, 64: such an index does not fit in."""


@pytest.mark.parametrize("at_once", AT_ONCE)
async def test_one_statement_and_one_round_trip(counted: Counted, at_once: int) -> None:
    """Those that arrive together cost one statement and one round trip, whatever their number."""
    await counted.waves(at_once, CLICKS)
    statements, round_trips = counted.asked
    await counted.waves(at_once, CLICKS)
    waves = CLICKS // at_once
    assert (statements + waves, round_trips + waves) == counted.asked


@pytest.mark.parametrize("at_once", AT_ONCE)
async def test_one_commit_and_little_log(
    counted: Counted, db: AsyncConnection, at_once: int
) -> None:
    """They cost one commit too, and each click few bytes of log."""
    await counted.waves(at_once, CLICKS)
    cost = await spent(db, lambda: counted.waves(at_once, CLICKS))
    assert CLICKS // at_once == cost.commits
    assert cost.wal / CLICKS <= WAL[at_once]


@pytest.mark.parametrize("at_once", AT_ONCE)
async def test_one_row_and_none_dead(counted: Counted, db: AsyncConnection, at_once: int) -> None:
    """A click is one row of the outbox, with nothing dead beside it; no other row is looked at."""
    await counted.waves(at_once, CLICKS)
    (lane,) = counted.lanes
    outbox = await touched(db, lane, "outbox", lambda: counted.waves(at_once, CLICKS))
    assert (CLICKS, 0, 0, 0) == (outbox.inserted, outbox.dead, outbox.scans, outbox.entries)


async def test_all_that_wait_go_together(
    counted: Counted, db: AsyncConnection, database: Database
) -> None:
    """While every lane is held up, those that arrive cost one transaction more, not one each."""
    lanes = Limits().lanes
    with held(database.conninfo, "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"):
        under_way = []
        for number in range(1, lanes + 1):
            under_way.append(asyncio.create_task(counted.wave(1)))
            await until(lambda number=number: waits_for_lock(db, number))  # type: ignore[misc]
        statements, round_trips = counted.asked
        waiting = asyncio.create_task(counted.wave(64))
        # All of them have arrived when the loop has come round once.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(waiting, *under_way)
    # What the lanes waited with was the statement's preparation; its execution came after it.
    assert (statements + lanes + 1, round_trips + lanes + 1) == counted.asked
    cursor = await db.execute("SELECT count(DISTINCT xmin::text) FROM outbox")
    assert (lanes + 1, lanes + 64) == (await first(cursor), await count(db, "outbox"))


@pytest.mark.parametrize("at_once", AT_ONCE)
@pytest.mark.parametrize(
    "code,recorded,answers", [("", False, {True}), ("unknown", True, {False})], ids=str
)
async def test_nothing_to_record_writes_nothing(
    counted: Counted,
    db: AsyncConnection,
    at_once: int,
    code: str,
    recorded: bool,
    answers: set[bool],
) -> None:
    """HEAD and unknown codes cost one statement, no commit and not one byte of log."""
    await counted.waves(at_once, CLICKS)
    statements, round_trips = counted.asked
    seen: list[set[bool]] = []

    async def look() -> None:
        seen.append(await counted.wave(at_once, code=code, recorded=recorded))

    assert Spent(0, 0) == await spent(db, look)
    assert (statements + len(seen), round_trips + len(seen)) == counted.asked
    assert [answers] * len(seen) == seen


@pytest.mark.parametrize(
    "asked,expected",
    [
        ("GET /b1", (302, 1, 1)),
        ("HEAD /b1", (302, 1, 0)),
        ("GET /unknown", (404, 1, 0)),
        ("GET /gone", (410, 1, 0)),
        ("GET /no.code", (404, 0, 0)),
    ],
)
@pytest.mark.usefixtures("links")
async def test_a_request_costs_no_more(
    db: AsyncConnection,
    database: Database,
    settings: ServiceSettings,
    observed: list[Observation],
    asked: str,
    expected: tuple[int, int, int],
) -> None:
    """From the request to its answer there is no other statement: no session, no counter.

    Expected are status, statements, which are round trips too, and commits.
    """
    status, statements, commits = expected
    await db.execute(
        "INSERT INTO links (code, target, disabled_at)"
        " VALUES ('gone', 'https://example.com/', now())"
    )
    headers = {"Referer": REFERRER, "User-Agent": USER_AGENT}
    async with proxied(database) as (proxy, near):
        app = create_app(settings, near, KEY, observed.append, Limits(deadline=60.0))
        async with TestClient(TestServer(app)) as client:

            async def ask() -> None:
                async with client.request(
                    *asked.split(), headers=headers, allow_redirects=False
                ) as answer:
                    assert status == answer.status

            await app[POOL].wait()
            # A lane is opened, its statement prepared.
            async with client.get("/b1", allow_redirects=False) as answer:
                assert 302 == answer.status
            before = proxy.asked.statements, proxy.asked.round_trips
            cost = await spent(db, ask, rounds=5)
            more = proxy.asked.statements - before[0], proxy.asked.round_trips - before[1]
            await asyncio.sleep(0)  # connections go back to the pool before it closes
    assert commits == cost.commits
    assert (5 * statements, 5 * statements) == more
