"""What a click costs the database: statements, round trips, commits and bytes of log.

Counted over the whole life of a process, its start included (some ten of each), for a session
reports its commits at its end at the latest. Statements and round trips are counted on the way to
the server, the rest by the server. A checkpoint comes first, so that full-page images fall on the
log as they do in production: on pages that were there before, few here.

How many clicks share a transaction depends on the machine and on the load. What does not, the cost
of a transaction and of a click in it, is asserted by tests/costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from ops.bench.asked import Asked
from ops.bench.bench import PATHS, Bench
from ops.bench.drain import relay_drain
from ops.bench.figure import Figure, alone
from ops.bench.load_closed import closed_load
from ops.bench.processes import serving
from ops.bench.stage import HEADERS, Counters
from ops.bench.tap import tapped

CONCURRENCY = (1, 8, 64)

MANY = 10_000

UNITS = {"wal": ("log", "bytes of WAL per click")}
"""Names and units of what is not simply counted."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Per click."""

    statements: float
    round_trips: float
    commits: float
    wal: float

    @classmethod
    def between(cls, before: Counters, after: Counters, asked: Asked, clicks: int) -> Cost:
        """Return what the counters and the way to the server say of so many clicks."""
        return cls(
            asked.statements / clicks,
            asked.round_trips / clicks,
            (after.commits - before.commits) / clicks,
            (after.wal - before.wal) / clicks,
        )


def cost_per_click(bench: Bench) -> Iterator[Figure]:
    """Redirects at several concurrencies, and the relay. Published, without a target."""
    measured = bench.turns(
        *(lambda at=at: _redirects(bench, at) for at in CONCURRENCY),
        lambda: _relay(bench),
    )
    names = [f"{at} at once" for at in CONCURRENCY] + ["relay"]
    for counted in fields(Cost):
        what, unit = UNITS.get(counted.name, (counted.name.replace("_", " "), "per click"))
        for name, costs in zip(names, measured, strict=True):
            yield alone(
                f"cost_per_click {what}, {name}",
                unit,
                [getattr(cost, counted.name) for cost in costs],
            )


def _redirects(bench: Bench, connections: int) -> Cost:
    stage = bench.stage
    stage.reset()
    before = stage.counters()
    with (
        tapped(stage.database.conninfo) as tap,
        serving(stage, "service", DATABASE_URL=tap.url) as service,
    ):
        load = closed_load(
            service.url, PATHS, connections=connections, seconds=bench.seconds / 2, headers=HEADERS
        ).whole()
    found = stage.verify(load.answered, connections)
    return Cost.between(before, stage.counters(), tap.asked, found.waiting)


def _relay(bench: Bench) -> Cost:
    stage, events = bench.stage, bench.events // 2
    stage.reset(MANY)
    with tapped(stage.database.conninfo) as tap:
        drained = relay_drain(stage, events, MANY, DATABASE_URL=tap.url)
    return Cost.between(drained.before, drained.after, tap.asked, events)
