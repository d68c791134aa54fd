"""One look at what might grow: processes, tables, the backlog."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psycopg

from ops.chaos.scenario import Side
from ops.chaos.scene import Scene
from tests.support.processes import tree

TABLES = ("outbox", "clicks", "clicks_hourly", "pgqueuer", "pgqueuer_log")

# What the statistics say of dead rows is forgotten by a server that crashed, until it counts anew.
SIZES = """
SELECT name, sum(pg_stat_get_dead_tuples(part))::bigint, sum(pg_table_size(part))::bigint,
       sum(pg_indexes_size(part))::bigint
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS named (name, place), LATERAL (
    SELECT name::regclass AS part UNION SELECT relid FROM pg_partition_tree(name::regclass)
) AS parts
GROUP BY name, place ORDER BY place
"""

BACKLOG = "SELECT count(*) FROM outbox"


@dataclass(frozen=True, slots=True)
class Process:
    """One process at the time of a look; `age` in seconds, `rss` in KiB."""

    side: Side
    pid: int
    age: float
    rss: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its partitions included: dead rows, and bytes without and of its indexes."""

    name: str
    dead: int
    size: int
    indexes: int


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen; `at` on the monotonic clock. A server that is down shows neither tables nor backlog."""

    at: float
    processes: tuple[Process, ...]
    tables: tuple[Table, ...] = ()
    backlog: int | None = None


async def look(scene: Scene) -> Look:
    """Look once."""
    seen = Look(monotonic(), tuple(_processes(scene)))
    try:
        rows = await scene.execute(SIZES, {"tables": list(TABLES)})
        tables = tuple(
            Table(str(name), *(int(str(number)) for number in numbers)) for name, *numbers in rows
        )
        waiting = await scene.execute(BACKLOG)
    except psycopg.Error:
        return seen
    return Look(seen.at, seen.processes, tables, int(str(waiting[0][0])))


def _processes(scene: Scene) -> list[Process]:
    """All that run now, workers included; none where there is no /proc to tell."""
    found = []
    for side in ("service", "relay"):
        for kept in scene.kept(side):
            for pid in (kept.process.pid, *tree(kept.process.pid)):
                with suppress(OSError, StopIteration):
                    found.append(_process(side, pid))
    return found


def _process(side: Side, pid: int) -> Process:
    place = Path(f"/proc/{pid}")
    # Behind the name, which may hold anything, the twentieth field is when it was started.
    ticks = int((place / "stat").read_text().rpartition(")")[2].split()[19])
    status = (place / "status").read_text().splitlines()
    rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return Process(side, pid, age, rss, sum(1 for _ in (place / "fd").iterdir()))
