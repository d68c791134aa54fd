"""What the relay costs the database. As for redirects, these counts are the same on every machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from psycopg import AsyncConnection

from relay.chores import make_partitions
from relay.session import SESSION
from relay.store.outbox import outbox_work
from service.contract.postgres import Database
from tests.costs.conftest import fill, move, mover
from tests.support.costs import Spent, Work, spent, touched
from tests.support.ledger import count
from tests.support.proxy import Proxy, proxied

BATCHES = 4

WAL = {1: 605, 100: 630, 500: 750}
"""Bytes an event writes to the log, at most, in batches of 500 that are spread over so many links.
Measured 574, 601 and 713 on Postgres 15 and 18, within 12; 168 of them are what the browser said, and the
difference is the rollup. The least index more on clicks costs 64 and does not fit in."""


@dataclass(frozen=True, slots=True)
class Relay:
    """The mover's connection, the proxy on its way, and another connection to look at the rest."""

    connection: AsyncConnection
    proxy: Proxy
    db: AsyncConnection

    async def asked(self, work: Work) -> tuple[int, int]:
        """Statements and round trips of some work."""
        before = self.proxy.asked.statements, self.proxy.asked.round_trips
        await work()
        return self.proxy.asked.statements - before[0], self.proxy.asked.round_trips - before[1]


@pytest.fixture
async def relay(database: Database, db: AsyncConnection) -> AsyncIterator[Relay]:
    """A relay's connection to a database with some links and the partitions of these months."""
    await db.execute(
        "INSERT INTO links (code, target)"
        " SELECT 'b' || n, 'https://example.com/' FROM generate_series(1, 500) AS n"
    )
    await make_partitions(db, lambda _: None)
    async with (
        proxied(database) as (proxy, near),
        await near.aconnect(session=SESSION) as connection,
    ):
        yield Relay(connection, proxy, db)


@pytest.mark.parametrize("size", [8, 64, 500])
async def test_a_batch_is_one_statement_and_one_commit(relay: Relay, size: int) -> None:
    """Whatever its size, a batch is one statement, one round trip and one commit."""
    moving = mover(size)
    await fill(relay.db, 10 * size)
    await move(moving, relay.connection, 10)  # what is done once is done: its plan is settled too
    await fill(relay.db, 2 * BATCHES * size)

    async def batches() -> None:
        await move(moving, relay.connection, BATCHES)

    assert (BATCHES, BATCHES) == await relay.asked(batches)
    assert BATCHES == (await spent(relay.db, batches, rounds=1)).commits
    assert 18 * size == await count(relay.db, "clicks")


async def test_a_drill_is_one_commit(relay: Relay) -> None:
    """Where each event is moved by itself, as in drills, a batch is six statements: it begins,
    claims, locks, moves, commits, and looks for suspects. It is one transaction that writes, with
    one in it for each event.
    """
    moving = mover(64, lambda _: None)
    await fill(relay.db, 640)
    await move(moving, relay.connection, 8)
    assert (6, 6) == await relay.asked(lambda: move(moving, relay.connection, 1))
    assert 1 + 64 == (await spent(relay.db, lambda: move(moving, relay.connection, 1), 1)).commits


async def test_looking_writes_nothing(relay: Relay) -> None:
    """Beside the batches there are looks: the watcher's, up to ten a second, and the one that finds
    nothing more. Each is one statement, commits nothing and writes not one byte of log.
    """
    moving = mover(64)
    await fill(relay.db, 640)
    await move(moving, relay.connection, 10)
    for _ in range(10):
        await outbox_work(relay.connection)

    async def watch() -> None:
        assert not (await outbox_work(relay.connection)).events_due

    async def find_nothing() -> None:
        assert not await moving.move(relay.connection)

    for look in (watch, find_nothing):
        assert (1, 1) == await relay.asked(look)
        assert Spent(0, 0) == await spent(relay.db, look)


@pytest.mark.parametrize("links", WAL)
async def test_an_event_writes_little_log(relay: Relay, links: int) -> None:
    """Each event costs few bytes of log, on one hot link and on as many links as events."""
    size = 500
    moving = mover(size)
    rounds = 3
    await fill(relay.db, 5 * BATCHES * size, links)
    await move(moving, relay.connection, 5 * BATCHES)
    await fill(relay.db, rounds * BATCHES * size, links)
    cost = await spent(relay.db, lambda: move(moving, relay.connection, BATCHES), rounds)
    assert cost.wal / (BATCHES * size) <= WAL[links]


async def test_what_dies_is_the_event_alone(relay: Relay) -> None:
    """An event leaves one dead row, in the outbox: it is not updated on its way, nor is its click."""
    moving = mover(500)
    events = BATCHES * 500
    await fill(relay.db, events)
    for table, expected in (("outbox", (0, 0, events)), ("clicks", (events, 0, 0))):
        await fill(relay.db, events)
        found = await touched(
            relay.db, relay.connection, table, lambda: move(moving, relay.connection, BATCHES)
        )
        assert expected == (found.inserted, found.updated, found.deleted), table


@pytest.mark.parametrize("size", [8, 64, 500])
async def test_a_hot_link_kills_a_row_a_batch(relay: Relay, size: int) -> None:
    """The rollup of one hot link leaves a dead row a batch, not one an event, and no dead index
    entry: every update is a HOT one.
    """
    moving = mover(size)
    await fill(relay.db, (BATCHES + 1) * size)
    await move(moving, relay.connection, 1)
    found = await touched(
        relay.db, relay.connection, "clicks_hourly", lambda: move(moving, relay.connection, BATCHES)
    )
    assert (0, BATCHES, BATCHES, 0) == (found.inserted, found.updated, found.hot, found.deleted)
