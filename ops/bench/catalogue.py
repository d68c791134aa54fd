"""Everything that can be measured, in the order it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ops.bench.bench import Benchmark
from ops.bench.figures import cost, freshness, memory, poison, redirects, relay, snapshot, stats

CATALOGUE: Final[Sequence[Benchmark]] = (
    Benchmark("redirects_vs_bare", "the service ÷ aiohttp with a constant 302", redirects.vs_bare),
    Benchmark("redirects_vs_single", "… ÷ a transaction per redirect", redirects.vs_single),
    Benchmark("redirects_vs_pgbench", "… ÷ the database alone", redirects.vs_pgbench),
    Benchmark("open_loop_p99", "latency at 1,000 requests a second", redirects.open_loop),
    Benchmark("lonely", "one request at a time ÷ a transaction per redirect", redirects.lonely),
    Benchmark("workers", "two workers ÷ one", redirects.workers),
    Benchmark("relay_vs_statement", "the relay ÷ the leanest statement", relay.vs_statement),
    Benchmark("relay_vs_job_per_click", "… ÷ a PgQueuer job per click", relay.vs_job_per_click),
    Benchmark("hot_link", "four relays, one link ÷ 10,000 links", relay.hot_link),
    Benchmark("poison", "good events among as many bad ones ÷ without", poison.poison),
    Benchmark("freshness", "from a 302 to the statistics", freshness.freshness),
    Benchmark("stats_10m", "statistics of a link with 10,000,000 clicks", stats.stats_10m),
    Benchmark(
        "cost_per_click", "statements, round trips, commits and bytes of log", cost.cost_per_click
    ),
    Benchmark("memory", "of the service and of the relay", memory.memory),
    Benchmark("held_snapshot", "with a snapshot held open ÷ without", snapshot.held_snapshot),
    Benchmark("drain_at_backlog", "5,000,000 waiting ÷ 100,000", relay.drain_at_backlog, long=True),
)


def listed() -> str:
    """Return the names, a line each."""
    width = max(len(benchmark.name) for benchmark in CATALOGUE)
    return "\n".join(
        f"{benchmark.name:<{width}}  {benchmark.what}{'  (--long)' if benchmark.long else ''}"
        for benchmark in CATALOGUE
    )


def chosen(only: str | None, *, long: bool) -> list[Benchmark]:
    """Return what to measure: those named, a comma between, or all. Raises ValueError."""
    if only is None:
        return [benchmark for benchmark in CATALOGUE if long or not benchmark.long]
    names = [name.strip() for name in only.split(",")]
    known = {benchmark.name for benchmark in CATALOGUE}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"nothing is called {', '.join(unknown)}; --list tells the names")
    return [benchmark for benchmark in CATALOGUE if benchmark.name in names]
