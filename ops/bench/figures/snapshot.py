"""A snapshot held open, by a backup or a forgotten session, keeps dead rows from being removed.

A queue in Postgres is known to slow down under it: each look at its head wades through the rows
that are gone. Redirects go on at a constant rate while a relay drains them; at the end bursts have
to be drained as well, and as many redirects answered as can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import time

from ops.bench.bench import PATHS, Bench
from ops.bench.drain import batches, rate
from ops.bench.figure import Figure, alone, at_least, compared
from ops.bench.load import Load
from ops.bench.load_open import open_load
from ops.bench.processes import Process, running, serving
from ops.bench.stage import HEADERS, LINKS, Stage
from service.contract.process import run

STEADY = 800
"""Redirects per second."""

BURST = 50_000
"""Events put in at the end."""

LONG = 300.0
"""Seconds of the long run."""

STRETCH = 15
"""The short one takes so many times --seconds."""

DRAINED = 300.0
"""Seconds the burst may take."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One run, with or without the snapshot."""

    load: Load
    backlog: int
    bursts: Sequence[float]
    dead: int
    served: Sequence[float]


def held_snapshot(bench: Bench) -> Iterator[Figure]:
    """Redirects and relay with a REPEATABLE READ transaction held open against without one."""
    seconds = LONG if bench.long else STRETCH * bench.seconds
    bench.say(f"  {seconds:g} s without a snapshot")
    free = _stretch(bench, seconds, held=False)
    bench.say(f"  {seconds:g} s with one held")
    held = _stretch(bench, seconds, held=True)
    reference = "no snapshot"
    note = f"{STEADY} redirects a second for {seconds:g} s, one run of each"
    yield compared(
        "held_snapshot redirects",
        "redirects/s",
        held.served,
        reference,
        free.served,
        target=at_least(0.95),
        note="as many as can be had, at the end, the relay at work and the snapshot still held",
    )
    yield compared(
        "held_snapshot drain",
        "events/s",
        held.bursts,
        reference,
        free.bursts,
        target=at_least(0.95),
        note=f"{bench.rounds} bursts of {min(BURST, bench.events):,} events at the end, one after "
        "another, the snapshot still held",
    )
    yield compared(
        "held_snapshot p99", "ms", [held.load.p99], reference, [free.load.p99], note=note
    )
    yield alone("held_snapshot backlog", "events", [held.backlog], note="when the redirects ended")
    yield alone("held_snapshot backlog, no snapshot", "events", [free.backlog])
    yield alone("held_snapshot dead tuples", "rows", [held.dead])
    yield alone("held_snapshot dead tuples, no snapshot", "rows", [free.dead])


def _stretch(bench: Bench, seconds: float, *, held: bool) -> Stretch:
    stage, burst = bench.stage, min(BURST, bench.events)
    stage.reset()
    with (
        serving(stage, "service") as service,
        running(stage, "relay", LOG_LEVEL="debug") as relay,
        _snapshot(stage, held=held),
    ):
        load = run(
            open_load(service.url, PATHS, rate=STEADY, seconds=seconds, headers=HEADERS)
        ).whole()
        backlog = stage.verify(load.answered, 0).waiting
        _drained(relay, load.answered)
        bursts, moved = [], load.answered
        for _ in range(bench.rounds):
            began, moved = time(), moved + burst
            stage.backlog(burst, LINKS, settled=False)
            _drained(relay, moved)
            bursts.append(rate([batch for batch in batches(relay.log) if batch.at > began]))
        dead = stage.dead_tuples()
        stage.verify_moved(moved)
        served = [bench.constant(service).rate for _ in range(bench.rounds)]
    return Stretch(load, backlog, bursts, dead, served)


def _drained(relay: Process, events: int) -> None:
    # Read from its log: asking the outbox itself would wade through the dead rows too.
    relay.wait_until(
        lambda: sum(batch.moved for batch in batches(relay.log)) >= events,
        f"{events} events were moved",
        DRAINED,
    )


@contextmanager
def _snapshot(stage: Stage, *, held: bool) -> Iterator[None]:
    if not held:
        yield
        return
    with stage.connect() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT FROM links LIMIT 1")
        yield
