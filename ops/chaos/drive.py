"""Plays one scenario: traffic, faults, quiet, and then the oracle."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from time import monotonic

import psycopg

from ops.chaos import course, evidence
from ops.chaos.counting import count
from ops.chaos.fault import Fault
from ops.chaos.grounds import Standing
from ops.chaos.hygiene import descriptors, most_growth
from ops.chaos.recovery import recoveries
from ops.chaos.result import Result, targets
from ops.chaos.scenario import Scenario
from ops.chaos.scene import CAP, Scene, scene, stop
from ops.chaos.soak.look import Look
from ops.chaos.soak.trend import soak
from tests.oracle import checks
from tests.oracle.availability import (
    Availability,
    Injury,
    Sample,
    availability,
    counted_again,
    found_again,
    settled,
)
from tests.oracle.checks import Finding
from tests.oracle.client import Client

CALM = 2.0
"""Seconds of traffic before the first fault, and of more than the last one's recovery after it."""

SETTLE = 4.0

SETTLED = 3.0
"""Seconds after a fault from which redirects should be what they were; the promise is 10."""

ASKED = frozenset({0, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM})
"""Exit codes of processes that the drill has ended."""

RECOVERS = 60.0
"""Seconds after the last fault from which what has not come again never will; targets are stricter."""

DRAIN = 120.0
"""Seconds until what is left in the outbox is called stuck; the target is stricter."""


@dataclass
class Seen:
    """What the drill noted while it went on."""

    client: Client
    injuries: list[Injury] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    growth: int = 0


async def play(
    scenario: Scenario, standing: Standing, chance: random.Random, directory: Path
) -> Result:
    """Play a scenario on a database of its own. Raises ChaosError when it cannot be carried out."""
    began = monotonic()
    with standing.database() as database:
        async with scene(scenario, standing, database, chance, directory) as made:
            faults = [inflict(made) for inflict in scenario.faults]
            for fault in faults:
                await fault.prepare()
            client = Client(made.url, secrets.token_hex(4), made.paths, scenario.rate)
            seen = Seen(client)
            await _perform(made, faults, seen)
            drained = await asyncio.to_thread(_drained, made)
            fallen = _fallen(made)
            exits = await stop(made)
            complaints = made.processes.complaints()
            injected: Counter[str] = Counter()
            for fault in faults:
                injected[fault.name] += fault.struck
            result = await asyncio.to_thread(_judge, made, seen, directory)
        result = replace(
            result,
            seconds=monotonic() - began,
            injected=dict(injected),
            drained=drained,
            exits=exits,
            fallen=fallen,
            complaints=len(complaints),
        )
        own = [target for fault in faults for target in fault.targets()]
        return replace(result, targets=[*targets(result, scenario.holds), *own])


async def _perform(made: Scene, faults: Sequence[Fault], seen: Seen) -> None:
    """Send traffic, and break things meanwhile."""
    over = asyncio.Event()
    sending = asyncio.create_task(seen.client.send_until(over))
    counting = asyncio.create_task(count(made, seen.samples))
    try:
        await asyncio.sleep(CALM)
        before = descriptors(made)
        if made.scenario.beat is None:
            await course.inject(made, faults, seen.injuries)
        else:
            await course.soak(made, faults, seen.injuries, seen.looks)
        await asyncio.sleep(SETTLE)
        await _recovered(seen)
        seen.growth = most_growth(before, descriptors(made))
    finally:
        over.set()
        await sending
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting


async def _recovered(seen: Seen) -> None:
    """Keep up the traffic until 302s and counted clicks have come again, or have had time enough."""
    deadline = monotonic() + RECOVERS
    while seen.injuries and monotonic() < deadline:
        if _felt_no_more(seen, seen.injuries[-1]):
            return
        await asyncio.sleep(0.1)


def _felt_no_more(seen: Seen, last: Injury) -> bool:
    # From the end: a soak has a million of them.
    recent = takewhile(lambda each: each.meant >= last.over, reversed(seen.client.exchanges))
    return (
        found_again(list(recent), last) is not None
        and counted_again(seen.samples, last) is not None
    )


def _fallen(made: Scene) -> list[int]:
    # 0 follows SIGTERM, or what a shell would say of it; a negative one tells the signal: those
    # were the drill's.
    every = [code for kept in (*made.services, *made.relays) for code in kept.fallen]
    return [code for code in every if code not in ASKED]


def _drained(made: Scene) -> float:
    with made.database.connect("everyclick-chaos") as connection:
        return checks.wait_drained(connection, DRAIN)


def _judge(made: Scene, seen: Seen, directory: Path) -> Result:
    exchanges = seen.client.exchanges
    with made.database.connect("everyclick-chaos") as connection:
        checks.load(connection, seen.client.run, exchanges, made.seeded)
        findings = checks.every(connection, CAP)
        deadlocks = _deadlocks(connection)
        summed = availability(exchanges)
        result = _summed_up(made, seen, summed, findings, deadlocks)
        if not result.sound:
            evidence.leave(directory, connection, exchanges, seen.injuries, findings)
            result = replace(result, evidence=str(directory))
    return result


def _summed_up(
    made: Scene,
    seen: Seen,
    summed: Availability,
    findings: Sequence[Finding],
    deadlocks: int,
) -> Result:
    exchanges, beat = seen.client.exchanges, made.scenario.beat
    return Result(
        name=made.scenario.name,
        what=made.scenario.what,
        seconds=0.0,
        injected={},
        requests=len(exchanges),
        acknowledged=sum(exchange.acknowledged for exchange in exchanges),
        seen=summed,
        findings=findings,
        found_again=recoveries(seen.injuries, lambda injury: found_again(exchanges, injury)),
        counted_again=recoveries(seen.injuries, lambda injury: counted_again(seen.samples, injury)),
        settled=settled(exchanges, seen.injuries[-1], SETTLED) if seen.injuries else None,
        growth=seen.growth,
        drained=0.0,
        deadlocks=deadlocks,
        complaints=0,
        exits=(),
        fallen=(),
        soak=None if beat is None else soak(beat, seen.looks, exchanges, seen.injuries),
    )


def _deadlocks(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    return int(row[0]) if row else 0
