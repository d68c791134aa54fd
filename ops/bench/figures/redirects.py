"""Redirects per second, beside three references: nothing, the obvious way, the database alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ops.bench.bench import PATHS, Bench, rates
from ops.bench.figure import Figure, alone, at_least, at_most, compared
from ops.bench.load_open import open_load
from ops.bench.pgbench import CLIENTS, pgbench
from ops.bench.processes import Process, serving
from ops.bench.stage import HEADERS
from service.contract.process import run

STEADY = 1000
"""Requests per second of the open loop."""


def vs_bare(bench: Bench) -> Iterator[Figure]:
    """One service process against aiohttp answering a constant 302: what the click costs.

    Both are one process with one event loop, under the same 64 connections; the bare one has no
    Postgres beside it, which on a machine of few cores is a lead of its own.
    """
    with serving(bench.stage, "service") as ours, serving(bench.stage, "ops.bench.bare") as bare:
        bench.warm_up(ours, bare)
        recorded, constant = bench.turns(
            lambda: bench.redirects(ours), lambda: bench.constant(bare)
        )
    yield compared(
        "redirects_vs_bare",
        "redirects/s",
        rates(recorded),
        "bare aiohttp",
        rates(constant),
        target=at_least(0.70),
    )
    yield compared(
        "redirects_vs_bare p99",
        "ms",
        [load.p99 for load in recorded],
        "bare aiohttp",
        [load.p99 for load in constant],
        target=at_most(2.5),
        note="at the greatest rate of each, 64 requests always under way",
    )


SINGLES = {
    "": "the same code, one visit in a transaction",
    "plain": "the statement for one visit only, which costs less than the one for many",
    "usual": "that statement in psycopg's transaction block, on a connection of its pool",
}
"""The ways not to coalesce, as `ops.bench.single` takes them."""


@contextmanager
def _with_singles(bench: Bench, *ways: str) -> Iterator[tuple[Process, ...]]:
    """Run the service, and beside it one for each of the ways not to coalesce."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(bench.stage, "service"))]
        for way in ways:
            argv = ["ops.bench.single", *way.split()]
            servers.append(stack.enter_context(serving(bench.stage, *argv)))
        bench.warm_up(*servers)
        yield tuple(servers)


def vs_single(bench: Bench) -> Iterator[Figure]:
    """The service against itself with one transaction for each redirect: what coalescing gains."""
    with _with_singles(bench, *SINGLES) as servers:
        ours, *singles = bench.turns(
            *(lambda server=server: bench.redirects(server).rate for server in servers)
        )
    for (way, note), rates_of in zip(SINGLES.items(), singles, strict=True):
        yield compared(
            f"redirects_vs_single, {way}" if way else "redirects_vs_single",
            "redirects/s",
            ours,
            f"a transaction each, {way}" if way else "a transaction each",
            rates_of,
            target=None if way else at_least(4),
            note=note,
        )


def vs_pgbench(bench: Bench) -> Iterator[Figure]:
    """The service, HTTP and Python included, against the database alone with a transaction each."""
    stage = bench.stage

    def alone_in_the_database() -> float:
        stage.reset()
        return pgbench(stage, bench.seconds)

    with serving(stage, "service") as ours:
        bench.warm_up(ours)
        served, bare = bench.turns(lambda: bench.redirects(ours).rate, alone_in_the_database)
    yield compared(
        "redirects_vs_pgbench",
        "redirects/s",
        served,
        f"pgbench, {CLIENTS} clients",
        bare,
        target=at_least(1.0),
    )


def open_loop(bench: Bench) -> Iterator[Figure]:
    """Latency of a service that is not saturated, each counted from when it was meant to be sent."""
    with serving(bench.stage, "service") as ours:
        bench.warm_up(ours)

        def steady() -> tuple[float, float]:
            bench.stage.reset()
            load = run(
                open_load(ours.url, PATHS, rate=STEADY, seconds=bench.seconds, headers=HEADERS)
            ).whole()
            bench.stage.verify(load.answered, 0)
            return load.p50, load.p99

        (measured,) = bench.turns(steady)
    yield alone(
        "open_loop_p99",
        "ms",
        [p99 for _, p99 in measured],
        target=at_most(15),
        note=f"{STEADY:,} requests a second at a constant rate",
    )
    yield alone("open_loop_p50", "ms", [p50 for p50, _ in measured])


def lonely(bench: Bench) -> Iterator[Figure]:
    """One request at a time: nothing to join, so joining must cost nothing.

    Mean time of a request, on one connection that asks again at once.
    """

    def time(server: Process) -> float:
        return 1e3 / bench.redirects(server, connections=1, seconds=bench.seconds / 2).rate

    with _with_singles(bench, "", "plain") as servers:
        ours, single, plain = bench.turns(
            *(lambda server=server: time(server) for server in servers)
        )
    yield compared("lonely", "ms", ours, "a transaction each", single, target=at_most(1.05))
    yield compared("lonely, plain", "ms", ours, "a plain statement each", plain)


def workers(bench: Bench) -> Iterator[Figure]:
    """Two worker processes against one, on one port."""
    with (
        serving(bench.stage, "service", WEB_CONCURRENCY="2") as two,
        serving(bench.stage, "service") as one,
    ):
        bench.warm_up(two, one)
        doubled, plain = bench.turns(lambda: bench.redirects(two), lambda: bench.redirects(one))
    yield compared(
        "workers",
        "redirects/s",
        rates(doubled),
        "one worker",
        rates(plain),
        note="they share the cores with Postgres and the load generator",
    )
