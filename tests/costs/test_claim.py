"""What a batch reads of the outbox: its own events, however many others wait or are gone."""

from __future__ import annotations

import pytest
from psycopg import AsyncConnection

from relay.session import SESSION
from relay.store.outbox import outbox_work
from service.contract.postgres import Database
from tests.costs.conftest import fill, move, mover
from tests.support.costs import Touched, touched
from tests.support.ledger import held

SIZE = 500

BLOCKS = 5
"""Pages looked at per event, at most. Measured 4.1: its row is fetched by the index, locked, found
again and deleted."""

LOOK = 5
"""Pages that a look may look at. Measured 4 the first time, when the planner looks too, then 2."""

QUIET = 24
"""Events of the time before; a prepared statement settles on a plan after five executions."""

OLD_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM outbox"

pytestmark = pytest.mark.usefixtures("links", "unattended")


class Clock:
    """A clock that stands still: between two sweeps there is as much time as a test needs."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def unattended(db: AsyncConnection) -> None:
    """No autovacuum comes to the outbox: it would read pages too, and throw plans away."""
    await db.execute("ALTER TABLE outbox SET (autovacuum_enabled = off)")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which sweeps are due."""
    clock = Clock()
    monkeypatch.setattr("relay.mover.monotonic", clock)
    return clock


async def grown_used_to_little(db: AsyncConnection, connection: AsyncConnection) -> None:
    """Let a connection do what a quiet day is made of: a batch of one event, again and again.

    That is when a prepared statement may settle on a plan for good, and for a tiny outbox.
    """
    moving = mover(SIZE)
    for number in range(QUIET):
        await fill(db, 1)
        await moving.move(connection)
        if number == 12:
            await db.execute("ANALYZE outbox")


def assert_reads_its_own(found: Touched, gone: int = 0) -> None:
    """A batch has read an index for its events, and not the whole table; a sweep has stepped over
    what was gone before it as well.
    """
    assert 0 == found.scans
    assert SIZE == found.deleted
    assert found.entries <= SIZE + gone + 1
    assert found.blocks <= BLOCKS * SIZE


@pytest.mark.parametrize("quiet", [False, True], ids=["analyzed", "quiet before"])
@pytest.mark.parametrize("waiting", [5_000, 50_000])
async def test_a_backlog_makes_no_batch_dearer(
    db: AsyncConnection, database: Database, clock: Clock, waiting: int, quiet: bool
) -> None:
    """A batch reads its own events, whatever waits behind them and whatever was before."""
    moving = mover(SIZE)
    async with await database.aconnect(session=SESSION) as connection:
        if quiet:
            await grown_used_to_little(db, connection)
        await fill(db, waiting)
        if not quiet:
            await db.execute("ANALYZE outbox")
        for number in range(8):
            found = await touched(db, connection, "outbox", lambda: move(moving, connection, 1))
            assert_reads_its_own(found, gone=0 if number else QUIET)


@pytest.mark.parametrize("quiet", [False, True], ids=["analyzed", "quiet before"])
@pytest.mark.parametrize("gone", [5_000, 50_000])
async def test_an_old_snapshot_makes_no_batch_dearer(
    db: AsyncConnection, database: Database, clock: Clock, gone: int, quiet: bool
) -> None:
    """While nothing that is gone may be forgotten, a batch steps over none of it.

    A sweep does, and is the one look that does: it is rare (see relay/frontier.py).
    """
    moving = mover(SIZE)
    async with await database.aconnect(session=SESSION) as connection:
        if quiet:
            await grown_used_to_little(db, connection)
        with held(database.conninfo, OLD_SNAPSHOT):
            await fill(db, gone + 3 * SIZE)
            if not quiet:
                await db.execute("ANALYZE outbox")
            await move(moving, connection, gone // SIZE)

            async def one_batch() -> Touched:
                return await touched(db, connection, "outbox", lambda: move(moving, connection, 1))

            assert_reads_its_own(await one_batch())
            clock.now += 3600.0
            swept = await one_batch()
            assert gone + 2 * SIZE <= swept.entries
            assert (0, SIZE) == (swept.scans, swept.deleted)
            assert_reads_its_own(await one_batch())


@pytest.mark.parametrize("deferred", [5_000, 50_000])
async def test_a_look_reads_next_to_nothing(
    db: AsyncConnection, database: Database, deferred: int
) -> None:
    """The watcher's look is a few index probes, however many events are not due yet."""
    async with await database.aconnect(session=SESSION) as connection:
        await fill(db, deferred, due="1 h")
        await db.execute("ANALYZE outbox")
        for _ in range(8):
            found = await touched(db, connection, "outbox", lambda: outbox_work(connection))
            assert (0, 0) == (found.scans, found.entries)
            assert found.blocks <= LOOK
