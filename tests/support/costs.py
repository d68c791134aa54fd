"""What work costs the database, in counts that are the same on every machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass

from psycopg import AsyncConnection
from psycopg.rows import class_row

ROUNDS = 3

Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Spent:
    """By the whole server: `commits` of transactions that wrote something, `wal` in bytes."""

    commits: int
    wal: int


@dataclass(frozen=True, slots=True)
class Touched:
    """What was done to a table, its partitions included, and how it was read.

    An update or a delete leaves one dead row version; a `hot` update leaves no dead index entry.
    `entries` are index entries read, `blocks` are pages of the table and of its indexes.
    """

    inserted: int
    updated: int
    hot: int
    deleted: int
    scans: int
    entries: int
    blocks: int

    @property
    def dead(self) -> int:
        return self.updated + self.deleted


async def spent(db: AsyncConnection, work: Work, rounds: int = ROUNDS) -> Spent:
    """Let the work be done several times; return the least it took.

    The log and the transaction numbers are the server's: an autovacuum or a checkpoint, with its
    full-page images, may fall into one round. What the work itself costs, it costs in each.
    """
    taken = []
    for _ in range(rounds):
        before = await _spent(db)
        await work()
        after = await _spent(db)
        taken.append((after.commits - before.commits, after.wal - before.wal))
    return Spent(*(min(each) for each in zip(*taken, strict=True)))


async def touched(db: AsyncConnection, worker: AsyncConnection, table: str, work: Work) -> Touched:
    """Let work be done on the connection `worker`; return what it did to the table."""
    before = await _touched(db, worker, table)
    await work()
    after = await _touched(db, worker, table)
    return Touched(*(b - a for a, b in zip(astuple(before), astuple(after), strict=True)))


async def _spent(db: AsyncConnection) -> Spent:
    # The next transaction number, told without taking one.
    cursor = db.cursor(row_factory=class_row(Spent))
    await cursor.execute(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS commits,"
        " (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS wal"
    )
    return (await cursor.fetchall())[0]


async def _touched(db: AsyncConnection, worker: AsyncConnection, table: str) -> Touched:
    # A session reports its counts once a second at most, unless told to: then before it answers.
    # Both do, so that what one did before the work is not counted with it.
    for connection in (worker, db):
        await connection.execute("SELECT pg_stat_force_next_flush()")
    cursor = db.cursor(row_factory=class_row(Touched))
    await cursor.execute(
        "SELECT sum(n_tup_ins)::bigint AS inserted, sum(n_tup_upd)::bigint AS updated,"
        " sum(n_tup_hot_upd)::bigint AS hot, sum(n_tup_del)::bigint AS deleted,"
        " sum(seq_scan)::bigint AS scans, sum(entries)::bigint AS entries,"
        " sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint AS blocks"
        " FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid), LATERAL ("
        " SELECT coalesce(sum(idx_tup_read), 0) AS entries FROM pg_stat_user_indexes AS each"
        " WHERE each.relid = pg_stat_user_tables.relid) AS index"
        " WHERE relid = %(table)s::regclass"
        " OR relid IN (SELECT relid FROM pg_partition_tree(%(table)s::regclass))",
        {"table": table},
    )
    return (await cursor.fetchall())[0]
