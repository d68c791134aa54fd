"""What a relay asks again and again although there is nothing to do, in pages that it reads.

On a database that was never analyzed, just made or emptied after many events: the planner knows nothing
then, or what was true once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import dict_row

from relay.consumer import MOVE_CLICKS
from relay.driver import PoolDriver
from relay.mover import Mover, Policy
from relay.session import SESSION as RELAY
from relay.session import Session
from relay.settlement import Terms
from service import lane, lifespan
from service.contract import statements
from service.contract.postgres import Database
from service.contract.session import LIVELY
from tests.costs.conftest import fill
from tests.support.ledger import until

EVENTS = 100_000

PAGES = 40
"""Pages that a poll reads, at most. Measured 0 to 25, on a new database and on an emptied one, on Postgres 15
and 18. The emptied outbox has 3,226 and each of its indexes 388."""

POLLS: Mapping[str, Mapping[str, object]] = {
    "outbox_work": {"since": "tomorrow", "since_id": 0, "margin": 5.0},
    "outbox_suspects_due": {},
    "outbox_claim_fresh": {"since": "tomorrow", "since_id": 0, "limit": 500},
    "outbox_claim_suspects": {"since": "-infinity", "since_id": 0, "limit": 500},
    "outbox_recall": {"waits": [1.0, 1.2], "last": 2, "limit": 500},
    "deleted_links_waiting": {},
    "pgqueuer_enqueue": {"entrypoint": MOVE_CLICKS},
    "server_strain": {},
    "clicks_months_missing": {"months_ahead": 3},
}
"""Those of our own, as an idle relay asks them: from behind the place up to which nothing was due."""

SWEEP_PAGES = 450
"""Pages that a look from the beginning reads, at most, as a relay does every 1 to 5 s: of the index, never of
the table. Measured 388 and 386; entries of deleted events stay there until a vacuum."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that PgQueuer has sent."""

    query: str
    values: Sequence[object]


async def emptied(db: AsyncConnection) -> None:
    """Leave behind what many events and jobs leave: dead rows, and nobody has cleaned up."""
    await db.execute("ALTER TABLE outbox SET (autovacuum_enabled = off)")
    await db.execute("ALTER TABLE pgqueuer SET (autovacuum_enabled = off)")
    await db.execute("INSERT INTO links (code, target) VALUES ('a', 'https://example.com/')")
    await fill(db, EVENTS)
    await db.execute("DELETE FROM outbox")
    await db.execute(
        "INSERT INTO pgqueuer (priority, entrypoint, status)"
        " SELECT 0, 'move_clicks', 'queued' FROM generate_series(1, %s)",
        [EVENTS // 100],
    )
    await db.execute("DELETE FROM pgqueuer")


async def pages(cursor: AsyncRawCursor[dict[str, object]], query: str, values: Any) -> int:
    """Do it once, as any look does the work of marking what is dead; return the pages of the second time."""
    read = 0
    for _ in range(2):
        await cursor.execute("BEGIN")
        await cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}".encode(), values)
        (row,) = await cursor.fetchall()
        await cursor.execute("ROLLBACK")
        plan = row["QUERY PLAN"]
        plan = json.loads(plan) if isinstance(plan, str) else plan
        top = plan[0]["Plan"]  # type: ignore[index]
        read = int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])
    return read


@pytest.mark.parametrize("state", ["new", "emptied"])
async def test_looks_read_few_pages(db: AsyncConnection, database: Database, state: str) -> None:
    """However many events there were: no poll reads a table from end to end."""
    if state == "emptied":
        await emptied(db)
    known = statements.load("relay")
    async with await database.aconnect(session=RELAY) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        found = {
            name: await pages(cursor, known[name], values or None)  # type: ignore[arg-type]
            for name, values in POLLS.items()
        }
    assert {} == {name: read for name, read in found.items() if read > PAGES}, found


async def test_a_sweep_reads_the_index_alone(db: AsyncConnection, database: Database) -> None:
    """A look from the beginning passes over the entries of deleted events; it does not look them up."""
    await emptied(db)
    known = statements.load("relay")
    async with await database.aconnect(session=RELAY) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        for name in ("outbox_work", "outbox_claim_fresh"):
            values = {**POLLS[name], "since": "-infinity"}
            assert await pages(cursor, known[name], values) <= SWEEP_PAGES  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["new", "emptied"])
async def test_pgqueuer_reads_few_pages(
    db: AsyncConnection, database: Database, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for what PgQueuer asks by itself while there is no job."""
    if state == "emptied":
        await emptied(db)
    asked: dict[str, Asked] = {}
    fetch = PoolDriver.fetch

    async def noting(self: PoolDriver, query: str, *args: object) -> list[dict[str, object]]:
        asked.setdefault(query, Asked(query, args))
        return await fetch(self, query, *args)

    monkeypatch.setattr(PoolDriver, "fetch", noting)
    stop = asyncio.Event()
    mover = Mover(Policy(500, Terms(5, 1.0, lambda: 0.5)), lambda _: None)
    running = asyncio.create_task(
        Session(database, mover, lambda _: None, shutdown_timeout=5.0).run(stop)
    )

    async def some() -> bool:
        return any("SKIP LOCKED" in query.upper() for query in asked)

    try:
        await until(some)
    finally:
        stop.set()
        await running
    async with await database.aconnect(session=RELAY) as connection:
        cursor = AsyncRawCursor(connection, row_factory=dict_row)
        found = {
            each.query[:200]: await pages(cursor, each.query, each.values or None)
            for each in asked.values()
            if "pg_type" not in each.query  # asked once, at the start
        }
    assert {} == {query: read for query, read in found.items() if read > PAGES}


@pytest.mark.parametrize(
    "session",
    [LIVELY, lane.SESSION, lifespan.SESSION, RELAY],
    ids=["lively", "lane", "api", "relay"],
)
async def test_nothing_is_compiled(
    db: AsyncConnection, database: Database, session: Mapping[str, str]
) -> None:
    """Whatever the server says, no session that stays compiles its statements (JIT): for a look of a
    relay that was a third of a core, where enable_seqscan = off makes a plan look dear.
    """
    await db.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = on', current_database()); END $$"
    )
    async with await database.aconnect(session=session) as connection:
        cursor = await connection.execute("SHOW jit")
        assert ("off",) == await cursor.fetchone()
