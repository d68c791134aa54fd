"""Memory: the most a process ever has resident, under load and with much to do."""

from __future__ import annotations

from collections.abc import Iterator

from ops.bench.bench import Bench
from ops.bench.drain import relay_drain
from ops.bench.figure import Figure, alone, at_most
from ops.bench.processes import Process, serving

BACKLOG, LONG_BACKLOG = 200_000, 1_000_000

MANY = 10_000
MIB = 2**20


def memory(bench: Bench) -> Iterator[Figure]:
    """One worker under the load of all connections, one relay before a large backlog."""
    with serving(bench.stage, "service") as service:
        bench.warm_up(service)
        ever = service.memory()
        service.forget_memory()
        (most,) = bench.turns(lambda: _under_load(bench, service))
    yield alone("memory, service", "MiB", most, target=at_most(120), note="the most under load")
    yield alone(
        "memory, service, ever",
        "MiB",
        [ever / MIB],
        note="the most since its start",
    )
    events = LONG_BACKLOG if bench.long else min(BACKLOG, bench.events * 2)
    bench.stage.reset(MANY)
    drained = relay_drain(bench.stage, events, MANY)
    yield alone(
        "memory, relay",
        "MiB",
        [drained.memory / MIB],
        target=at_most(150),
        note=f"draining {events:,} events",
    )


def _under_load(bench: Bench, service: Process) -> float:
    bench.redirects(service)
    return service.memory() / MIB
