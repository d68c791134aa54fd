"""Freshness: how long after its 302 a click is counted.

Every fifth request follows a link of its own, so that its click is told from all others. One
connection looks every few milliseconds which of these links the rollup knows; up to that much of
the time told is the look's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import perf_counter

from ops.bench.bench import PATHS, Bench
from ops.bench.errors import BenchError
from ops.bench.figure import Figure, alone, at_most, percentile
from ops.bench.load_open import open_load
from ops.bench.processes import Process, running, serving
from ops.bench.stage import HEADERS, LINKS, SQL, Stage
from service.contract.process import run

STEADY = 500
"""Redirects per second."""

PROBE = 5
"""One request in so many is a probe."""

LOOK = 0.005
"""Seconds between two looks."""

LAST = 10.0
"""Seconds after the load until the last probe must have been counted."""


def freshness(bench: Bench) -> Iterator[Figure]:
    """Service and relay at a constant rate, both as they ship."""
    stage = bench.stage
    total = round(STEADY * bench.seconds)
    probes = total // PROBE
    with serving(stage, "service") as service, running(stage, "relay") as relay:
        bench.warm_up(service)
        # Nothing of it may still be on its way when the tables are emptied, and the relay is up.
        relay.wait_until(lambda: not stage.found().waiting, "the warm-up was counted", LAST)

        def watched() -> tuple[float, float]:
            stage.reset(LINKS + probes)
            ages = sorted(run(_watched(stage, service, total, probes)))
            stage.verify(total, 0)
            return percentile(ages, 50) * 1e3, percentile(ages, 99) * 1e3

        (measured,) = bench.turns(watched)
    note = f"{STEADY} redirects a second, {probes} of {total} clicks followed in each round"
    yield alone("freshness_p50", "ms", [p50 for p50, _ in measured], target=at_most(250), note=note)
    yield alone("freshness_p99", "ms", [p99 for _, p99 in measured], target=at_most(1000))


async def _watched(stage: Stage, service: Process, total: int, probes: int) -> list[float]:
    """Return the seconds from each probe's 302 to its sight. Raises BenchError when one is not."""
    paths = [
        f"/b{LINKS + number // PROBE + 1}"
        if number % PROBE == 0 and number // PROBE < probes
        else PATHS[number % LINKS]
        for number in range(total)
    ]
    acknowledged: dict[int, float] = {}
    ages: list[float] = []

    def noted(number: int, at: float) -> None:
        if number % PROBE == 0 and number // PROBE < probes:
            acknowledged[LINKS + number // PROBE + 1] = at

    async def look() -> None:
        async with await stage.database.aconnect("everyclick-bench") as connection:
            while True:
                asked = {"link_ids": list(acknowledged)}
                cursor = await connection.execute(SQL["probes_visible"], asked, prepare=True)
                seen = perf_counter()
                ages.extend(seen - acknowledged.pop(link) for (link,) in await cursor.fetchall())
                await asyncio.sleep(LOOK)

    looking = asyncio.create_task(look())
    try:
        load = await open_load(
            service.url,
            paths,
            rate=STEADY,
            seconds=total / STEADY,
            headers=HEADERS,
            acknowledged=noted,
        )
        load.whole()
        deadline = perf_counter() + LAST
        while len(ages) < probes and perf_counter() < deadline:  # noqa: ASYNC110 - see `look`
            await asyncio.sleep(LOOK)
    finally:
        looking.cancel()
    if len(ages) < probes:
        raise BenchError(f"{probes - len(ages)} of {probes} clicks were not counted in {LAST:g} s.")
    return ages
