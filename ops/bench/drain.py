"""Draining: how fast a backlog becomes clicks, by the relay and by the references."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import time

from ops import smoke
from ops.bench.errors import BenchError
from ops.bench.processes import running
from ops.bench.stage import SQL, Counters, Stage
from relay.settings import RelaySettings

BATCH = int(RelaySettings.model_fields["relay_batch_size"].default)
"""Events in a batch of the relay; the reference moves as many at once."""

SLOWEST = 1000.0
"""Events per second below which a drain is given up."""

START = 60.0


@dataclass(frozen=True, slots=True)
class Batch:
    """One committed batch; `at` is the end of it, in seconds since the epoch."""

    at: float
    moved: int


@dataclass(frozen=True, slots=True)
class Drained:
    """What relays did to a backlog.

    `rate` in events per second, `memory` the most that one of them had, in bytes, `before` and
    `after` what the server had counted then.
    """

    batches: Sequence[Batch]
    rate: float
    memory: int
    before: Counters
    after: Counters


def rate(batches: Sequence[Batch], first: float | None = None) -> float:
    """Return events per second between the end of the first batch and that of the last.

    The first batch is left out, and the start of the process with it. With several relays `first`
    is when the last of them had its first batch. Raises BenchError when that leaves nothing.
    """
    ordered = sorted(batches, key=lambda batch: batch.at)
    start = first if first is not None else ordered[0].at if ordered else 0.0
    counted = [batch for batch in ordered if batch.at > start]
    if not counted or counted[-1].at <= start:
        raise BenchError("Too few batches to take a rate from; --events asks for more events.")
    return sum(batch.moved for batch in counted) / (counted[-1].at - start)


def batches(log: Path) -> list[Batch]:
    """Return the batches a relay has told of in its log so far (LOG_LEVEL=debug: a line each)."""
    found = []
    for line in log.read_text("utf-8", "replace").splitlines():
        if '"batch_moved"' in line:
            told = json.loads(line)
            at = datetime.fromisoformat(told["timestamp"]).timestamp()
            found.append(Batch(at, int(told["moved"])))
    return found


def relay_drain(
    stage: Stage, events: int, links: int, *, relays: int = 1, **environment: str
) -> Drained:
    """Let relays, with this environment beside the usual one, empty an outbox of `events`.

    Every event has to become a click and be counted in the rollup, or BenchError is raised.
    """
    stage.backlog(events, links)
    told = _told(stage, relays, environment)
    after = stage.counters()
    stage.verify_moved(events)
    if not all(told.batches):
        raise BenchError(f"Of {relays} relays not all got a batch; --events asks for more events.")
    every = [batch for one in told.batches for batch in one]
    speed = rate(every, max(one[0].at for one in told.batches))
    return Drained(every, speed, told.memory, told.before, after)


def poisoned_drain(stage: Stage) -> float:
    """Let a relay go through what stands in the outbox; what Postgres refuses waits an hour.

    Returns clicks per second, from when it may begin to the end of the last batch that brought one.
    Raises BenchError unless each event became a click or stands in the outbox, tried once.
    """
    events = stage.found().waiting
    told = _told(stage, 1, {"RELAY_BACKOFF_SECONDS": "3600"})
    found = stage.found()
    if (found.waiting + found.clicks, found.dead) != (events, 0) or found.clicks != found.rollup:
        raise BenchError(f"{events} events should be clicks or wait: {found}.")
    moved = [batch.at for batch in told.batches[0] if batch.moved]
    if not moved:
        raise BenchError("Nothing became a click.")
    return found.clicks / (moved[-1] - told.began)


@dataclass(frozen=True, slots=True)
class _Told:
    """What each relay told of its batches, `began` when they were let in, as a time of the clock."""

    batches: Sequence[Sequence[Batch]]
    began: float
    memory: int
    before: Counters


def _told(stage: Stage, relays: int, environment: Mapping[str, str]) -> _Told:
    """Let relays drain; they are held back until all are up, so that none has the start to itself."""
    with ExitStack() as stack:
        with stage.locked():
            drains = [
                stack.enter_context(
                    running(stage, "relay", "drain", LOG_LEVEL="debug", **environment)
                )
                for _ in range(relays)
            ]
            stage.wait_locked_out(relays)
            before = stage.counters()
        began = time()
        memory = max(process.wait(START + stage.found().waiting / SLOWEST) for process in drains)
        return _Told([batches(process.log) for process in drains], began, memory, before)


def statement_drain(stage: Stage, events: int, links: int) -> float:
    """Let the leanest statement empty the outbox, in a loop on one connection; return its rate."""
    stage.backlog(events, links)
    moved: list[Batch] = []
    with stage.connect() as connection:
        while True:
            cursor = connection.execute(SQL["events_move"], {"limit": BATCH}, prepare=True)
            count = int(cursor.fetchall()[0][0])
            if not count:
                break
            moved.append(Batch(time(), count))
    stage.verify_moved(events)
    return rate(moved)


def jobs_drain(stage: Stage, jobs: int, batch: int) -> float:
    """Let PgQueuer do one job per click; return its rate. See `ops.bench.job_per_click`."""
    argv = [sys.executable, "-m", "ops.bench.job_per_click", str(jobs), str(batch)]
    try:
        told = subprocess.run(
            argv,
            cwd=smoke.REPOSITORY,
            env=stage.environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=START + jobs / (SLOWEST / 10),
        ).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"PgQueuer's jobs failed: {error}\n{error.stderr!r}") from error
    if stage.found().clicks != jobs:
        raise BenchError(f"{jobs} jobs should have written as many clicks: {stage.found()}.")
    return float(told)
