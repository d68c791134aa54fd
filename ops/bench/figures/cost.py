"""What a click costs the database: commits, which are round trips and flushes, and bytes of log.

Counted by the server over the whole life of a process, its start included (some ten commits), for
a session reports its commits at its end at the latest. A checkpoint comes first, so that full-page
images fall on the log as they do in production: on pages that were there before, few here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ops.bench.bench import PATHS, Bench
from ops.bench.drain import relay_drain
from ops.bench.figure import Figure, alone
from ops.bench.load_closed import closed_load
from ops.bench.processes import serving
from ops.bench.stage import HEADERS, Counters

CONCURRENCY = (1, 8, 64)

MANY = 10_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Per click."""

    commits: float
    wal: float

    @classmethod
    def between(cls, before: Counters, after: Counters, clicks: int) -> Cost:
        """Return what the counters say of so many clicks."""
        return cls((after.commits - before.commits) / clicks, (after.wal - before.wal) / clicks)


def cost_per_click(bench: Bench) -> Iterator[Figure]:
    """Redirects at several concurrencies, and the relay. Published, without a target."""
    measured = bench.turns(
        *(lambda at=at: _redirects(bench, at) for at in CONCURRENCY),
        lambda: _relay(bench),
    )
    names = [f"{at} at once" for at in CONCURRENCY] + ["relay"]
    note = "a redirect's transaction is one statement: its commits are its round trips too"
    for name, costs in zip(names, measured, strict=True):
        yield alone(
            f"cost_per_click commits, {name}",
            "per click",
            [cost.commits for cost in costs],
            note=note if name == names[0] else "",
        )
    for name, costs in zip(names, measured, strict=True):
        yield alone(
            f"cost_per_click log, {name}", "bytes of WAL per click", [cost.wal for cost in costs]
        )


def _redirects(bench: Bench, connections: int) -> Cost:
    stage = bench.stage
    stage.reset()
    before = stage.counters()
    with serving(stage, "service") as service:
        load = closed_load(
            service.url, PATHS, connections=connections, seconds=bench.seconds / 2, headers=HEADERS
        ).whole()
    found = stage.verify(load.answered)
    return Cost.between(before, stage.counters(), found.waiting)


def _relay(bench: Bench) -> Cost:
    stage, events = bench.stage, bench.events // 2
    stage.reset(MANY)
    drained = relay_drain(stage, events, MANY)
    return Cost.between(drained.before, drained.after, events)
