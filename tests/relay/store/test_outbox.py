"""The outbox at volume: what is promised to be an index scan is one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from relay.backoff import longest_waits
from relay.store.outbox import outbox_backlog, outbox_claim_fresh, outbox_recall, outbox_work
from relay.store.pgqueuer import pgqueuer_enqueue
from service.contract import statements
from service.contract.postgres import Database
from tests.support.clones import Template

ROWS = 100_000


@pytest.fixture(scope="module")
def laden(template: Template) -> Iterator[Database]:
    """A database with 100 000 events in the outbox, of which 1 000 are due."""
    with template.clone() as database:
        with database.connect() as connection:
            connection.execute(
                "INSERT INTO outbox (message_id, link_id, available_at)"
                " SELECT gen_random_uuid(), n, now() + make_interval(secs => n - 1000)"
                " FROM generate_series(1, 100000) AS n"
            )
            connection.execute("ANALYZE outbox")
        yield database


PARAMETERS = {
    "limit": ("integer", "500"),
    "fit": ("boolean", "true"),
    "avoided": ("bigint[]", "'{1}'"),
    "rollups": ("bigint", "7204316012"),
    "since": ("text", "'-infinity'"),
    "since_id": ("bigint", "0"),
    "margin": ("float8", "0.5"),
}
"""What the statements take: type and an example of each."""


@pytest.fixture
async def db(laden: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection to it; whatever a test does is rolled back."""
    async with await laden.aconnect() as connection, connection.transaction(force_rollback=True):
        yield connection


async def plan(db: psycopg.AsyncConnection, name: str, generic: bool) -> list[dict[str, Any]]:
    """The nodes of the plan of one of the relay's statements, custom or generic."""
    await db.execute(
        f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan".encode()
    )
    text = statements.load("relay")[name]
    for number, parameter in enumerate(PARAMETERS, 1):
        text = text.replace(f"%({parameter})s", f"${number}")
    kinds = ", ".join(kind for kind, _ in PARAMETERS.values())
    await db.execute(f"PREPARE statement ({kinds}) AS {text}".encode())
    values = ", ".join(value for _, value in PARAMETERS.values())
    cursor = await db.execute(f"EXPLAIN (FORMAT JSON) EXECUTE statement ({values})".encode())
    row = await cursor.fetchone()
    await db.execute("DEALLOCATE statement")
    assert row is not None
    told = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return list(nodes(told[0]["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def scans(found: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    """How the outbox is read, and by which index."""
    return {
        (node["Node Type"], node.get("Index Name"))
        for node in found
        if node.get("Relation Name") == "outbox"
    }


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("stream", ["fresh", "suspects"])
async def test_claim_walks_the_index(
    db: psycopg.AsyncConnection, stream: str, generic: bool
) -> None:
    """Either claim reads due events in its index's order and sorts nothing."""
    found = await plan(db, f"outbox_claim_{stream}", generic)
    index = "outbox_available_at_id" if stream == "fresh" else "outbox_suspects"
    assert {("Index Scan", index)} == scans(found)
    assert not [node for node in found if "Sort" in node["Node Type"]]


@pytest.mark.parametrize("generic", [False, True])
async def test_move_never_reads_the_whole_outbox(
    db: psycopg.AsyncConnection, generic: bool
) -> None:
    """The move finds due events by their index and deletes them where they stand."""
    found = await plan(db, "clicks_move", generic)
    read = {each for each in scans(found) if each[0] != "ModifyTable"}
    probed = {each for each in read if each[1] == "outbox_suspects"}
    assert 1 == len(probed)
    assert {("Index Scan", "outbox_available_at_id"), ("Tid Scan", None)} == read - probed


@pytest.mark.parametrize("due", [0, 1000, ROWS])
async def test_probe_touches_the_index(db: psycopg.AsyncConnection, due: int) -> None:
    """The watcher's probe is an index probe, whether nothing, a little or everything is due."""
    if due != 1000:
        await db.execute(
            "UPDATE outbox SET available_at = now() + make_interval(hours => %s)",
            [1 if due == 0 else -1],
        )
        await db.execute("ANALYZE outbox")
    found = scans(await plan(db, "outbox_work", generic=False))
    if due < ROWS:
        assert {"outbox_available_at_id"} == {index for _, index in found}
    else:
        # With everything due, the first row of the table will do as well.
        assert found <= {
            ("Index Only Scan", "outbox_available_at_id"),
            ("Index Scan", "outbox_available_at_id"),
            ("Seq Scan", None),
        }
    assert (due > 0) == (await outbox_work(db)).events_due


async def test_claim_is_bounded_and_in_order(db: psycopg.AsyncConnection) -> None:
    """A claim takes as many as it may, the longest due first."""
    claimed = await outbox_claim_fresh(db, 10)
    assert list(range(1, 11)) == [event.link_id for event in claimed]


async def test_backlog_counts_all(db: psycopg.AsyncConnection) -> None:
    """What is due and what is deferred add up; the oldest may be deferred, the next comes soon."""
    await db.execute("UPDATE outbox SET attempts = 13 WHERE available_at > now()")
    await db.execute("UPDATE outbox SET occurred_at = now() - interval '1 h' WHERE link_id = 50000")
    backlog = await outbox_backlog(db, longest_waits(1.0))
    assert ROWS == backlog.due + backlog.deferred
    # Those that are more than 72 minutes ahead wait longer than any backoff: they are due.
    assert 1000 <= ROWS - backlog.deferred - (ROWS - 1000 - 4320) <= 1010
    assert backlog.oldest is not None
    assert 3600 <= backlog.oldest < 4000
    assert backlog.next_due is not None
    assert 0 < backlog.next_due <= 1


async def test_only_what_waits_too_long_is_recalled(db: psycopg.AsyncConnection) -> None:
    """An event waits for its backoff, and for no longer, whatever a clock said; a fresh one for none."""
    await db.execute("DELETE FROM outbox")
    await db.execute(
        "INSERT INTO outbox (message_id, link_id, attempts, available_at)"
        " SELECT gen_random_uuid(), n, attempts, now() + make_interval(secs => secs)"
        " FROM unnest(ARRAY[0, 0, 0, 1, 1, 4, 4, 40, 40], ARRAY[-5, 0.9, 1.1, 1.1, 1.3, 9.5, 9.7, 4300, 4400])"
        " WITH ORDINALITY AS event (attempts, secs, n)"
    )
    assert 4 == await outbox_recall(db, longest_waits(1.0))
    cursor = await db.execute(
        "SELECT array_agg(link_id ORDER BY link_id) FROM outbox WHERE available_at <= now()"
    )
    assert ([1, 3, 5, 7, 9],) == await cursor.fetchone()
    assert 0 == await outbox_recall(db, longest_waits(1.0))


async def test_work_knows_of_queued_jobs(db: psycopg.AsyncConnection) -> None:
    """A job is queued once however often it is asked for, and work tells that it is."""
    assert not (await outbox_work(db)).move_queued
    assert [True, False, False] == [await pgqueuer_enqueue(db, "move_clicks") for _ in range(3)]
    work = await outbox_work(db)
    assert (True, False) == (work.move_queued, work.purge_queued)
    # A job that a dead relay had picked keeps no new one out.
    await db.execute("UPDATE pgqueuer SET status = 'picked'")
    assert await pgqueuer_enqueue(db, "move_clicks")
