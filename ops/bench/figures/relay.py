"""Events per second of the relay, beside the leanest statement, a job per click, and itself."""

from __future__ import annotations

from collections.abc import Iterator

from ops.bench.bench import Bench
from ops.bench.drain import BATCH, jobs_drain, rate, relay_drain, statement_drain
from ops.bench.errors import BenchError
from ops.bench.figure import Figure, alone, at_least, at_most, compared

MANY = 10_000
"""Links of the spread-out shape."""

RELAYS = 4

JOB_BATCHES = (10, 100, 500)
"""What PgQueuer is tried with; the fastest stands for it."""

TRIED = 2_000
JOBS = 10_000
"""Jobs for each trial, and for each round."""

SMALL = 100_000
"""Events of the small backlog, and of the first stretch of the large one."""


def _relay(bench: Bench, links: int, *, events: int | None = None, relays: int = 1) -> float:
    bench.stage.reset(links)
    return relay_drain(bench.stage, events or bench.events, links, relays=relays).rate


def vs_statement(bench: Bench) -> Iterator[Figure]:
    """One relay against one SQL statement that does the same move and nothing else.

    Both move batches of the same size over one connection, from the same backlog; the start of
    the relay's process is left out.
    """
    for shape, links in (("one hot link", 1), (f"{MANY:,} links", MANY)):

        def lean(links: int = links) -> float:
            bench.stage.reset(links)
            return statement_drain(bench.stage, bench.events, links)

        relayed, bare = bench.turns(lambda links=links: _relay(bench, links), lean)  # type: ignore[misc]
        yield compared(
            f"relay_vs_statement, {shape}",
            "events/s",
            relayed,
            "leanest statement",
            bare,
            target=at_least(0.80),
            note=f"{bench.events:,} events in batches of {BATCH}",
        )


def vs_job_per_click(bench: Bench) -> Iterator[Figure]:
    """One relay against one PgQueuer with a job per click, at the fastest of a few batch sizes."""
    stage = bench.stage

    def jobs(number: int, batch: int) -> float:
        stage.reset(1)
        return jobs_drain(stage, number, batch)

    tried = {batch: jobs(min(TRIED, bench.events), batch) for batch in JOB_BATCHES}
    fastest = max(tried, key=lambda batch: tried[batch])
    relayed, one_by_one = bench.turns(
        lambda: _relay(bench, MANY), lambda: jobs(min(JOBS, bench.events), fastest)
    )
    yield compared(
        "relay_vs_job_per_click",
        "events/s",
        relayed,
        f"jobs, {fastest} at a time",
        one_by_one,
        target=at_least(10),
        note="the jobs keep no rollup, and their enqueuing, a NOTIFY each, is not timed",
    )


def hot_link(bench: Bench) -> Iterator[Figure]:
    """Four relays on the clicks of one link against four on those of many: do they queue up?

    The rate counts from the moment all four are at work.
    """
    before = bench.stage.counters().deadlocks
    hot, spread = bench.turns(
        lambda: _relay(bench, 1, relays=RELAYS), lambda: _relay(bench, MANY, relays=RELAYS)
    )
    # A session reports its deadlocks at its end at the latest, and these have ended.
    deadlocks = bench.stage.counters().deadlocks - before
    yield compared(
        "hot_link",
        "events/s",
        hot,
        f"{MANY:,} links",
        spread,
        target=at_least(0.8),
        note=f"{RELAYS} relays",
    )
    yield alone("hot_link deadlocks", "", [deadlocks], target=at_most(0))


def drain_at_backlog(bench: Bench) -> Iterator[Figure]:
    """A large backlog against a small one: the work per event must not grow with what waits."""
    stage, small = bench.stage, min(SMALL, bench.backlog)
    small_rates = [_relay(bench, MANY, events=small)]
    bench.say(f"  {bench.backlog:,} events")
    stage.reset(MANY)
    drained = relay_drain(stage, bench.backlog, MANY)
    moved, first = 0, []
    for batch in drained.batches:
        first.append(batch)
        moved += batch.moved
        if moved >= small:
            break
    small_rates.append(_relay(bench, MANY, events=small))
    if len(first) < 2:
        raise BenchError(f"{small} events are too few to compare.")
    for stretch, measured in ((f"first {small:,}", rate(first)), ("all of them", drained.rate)):
        yield compared(
            f"drain_at_backlog, {stretch}",
            "events/s",
            [measured] * len(small_rates),
            f"{small:,} waiting",
            small_rates,
            target=at_least(0.9),
            note=f"{bench.backlog:,} waiting; the small backlog is drained before and after",
        )
