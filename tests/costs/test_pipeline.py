"""What it costs to report that a relay lives, and to measure the pipeline."""

from __future__ import annotations

from psycopg import AsyncConnection

from relay.store.relays import Relay, relay_beat
from service.contract.pipeline import COUNTED, pipeline_state
from tests.costs.conftest import fill

WAL_OF_A_BEAT = 400
"""Bytes a heartbeat writes to the log, at most, at 5 s about 5 MB a day with the commit's record."""


async def test_a_heartbeat_is_updated_in_place(db: AsyncConnection) -> None:
    """No index is touched, and little is logged."""
    relay = Relay()
    await relay_beat(db, relay, 0.0)
    await db.execute("SELECT pg_stat_force_next_flush()")
    cursor = await db.execute("SELECT pg_current_wal_insert_lsn()")
    row = await cursor.fetchone()
    assert row is not None
    for _ in range(20):
        await relay_beat(db, relay, 1.0)
    cursor = await db.execute(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s::pg_lsn)::bigint", [row[0]]
    )
    wal = await cursor.fetchone()
    assert wal is not None
    await db.execute("SELECT pg_stat_force_next_flush()")
    cursor = await db.execute(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'relays'"
    )
    assert (20, 20) == await cursor.fetchone()
    # A page is logged whole once after a checkpoint.
    assert wal[0] < 20 * WAL_OF_A_BEAT + 2 * 8192


async def test_counts_end_at_a_limit(db: AsyncConnection) -> None:
    """A large outbox is not counted to its end; the oldest event is found all the same."""
    await fill(db, 1)
    await db.execute("UPDATE outbox SET occurred_at = now() - interval '1 hour'")
    assert 3590 < (await pipeline_state(db)).oldest < 3700
    await db.execute(
        "INSERT INTO outbox (message_id, link_id)"
        " SELECT uuidv7_floor(now() + make_interval(secs => n)), 1"
        " FROM generate_series(1, %s) AS n",
        [COUNTED],
    )
    state = await pipeline_state(db)
    assert COUNTED == state.waiting
    assert 3590 < state.oldest < 3700


async def test_a_relay_that_fell_silent(db: AsyncConnection) -> None:
    """It is alive while it reports; afterwards it was seen so long ago. A stopped one is not alive."""
    assert (0, None) == ((state := await pipeline_state(db)).relays, state.relay_seen)
    silent, stopped = Relay(), Relay()
    await relay_beat(db, silent, 100.0)
    await relay_beat(db, stopped, 300.0)
    await relay_beat(db, stopped, 300.0, stopped=True)
    state = await pipeline_state(db)
    assert 1 == state.relays
    assert state.relay_progress is not None
    assert 100 <= state.relay_progress < 200
    await db.execute("UPDATE relays SET seen_at = now() - interval '1 minute'")
    state = await pipeline_state(db)
    assert 0 == state.relays
    assert state.relay_seen is not None
    assert 60 <= state.relay_seen < 90


async def test_hours_of_the_future(db: AsyncConnection) -> None:
    """They are counted, and found by their index."""
    await db.execute(
        "INSERT INTO clicks_hourly (link_id, hour, clicks)"
        " VALUES (1, date_trunc('hour', now()), 1), (1, now() + interval '40 days', 1)"
    )
    assert 1 == (await pipeline_state(db)).future_hours
