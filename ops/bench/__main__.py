"""The command line: measures, prints a table on stdout, tells its progress on stderr.

Exit code 0 when everything could be measured, whether or not the targets were reached; 1 when
something could not, a lost click before all; 2 for a wrong option; 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from ops.bench import machine, report
from ops.bench.bench import Bench, Benchmark
from ops.bench.catalogue import chosen, listed
from ops.bench.errors import BenchError
from ops.bench.figure import Figure
from ops.bench.load_closed import generator
from ops.bench.stage import stage
from service.contract.process import FAILED, INTERRUPTED, OK, say

LONGEST = 600.0
"""Seconds of one load."""


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.bench", description="Measure redirects and relay on this machine."
    )
    add = parser.add_argument
    add("--only", metavar="NAME[,NAME]", help="measure these alone")
    add("--list", action="store_true", help="list what can be measured")
    add("--rounds", type=_positive, default=3, help="turns that each contestant gets (%(default)s)")
    add("--seconds", type=_seconds, default=4.0, help="length of each load (%(default)g)")
    add("--events", type=_positive, default=100_000, help="the relay's backlog (%(default)s)")
    add("--long", action="store_true", help="also what takes minutes: the large backlog and more")
    add("--backlog", type=_positive, default=5_000_000, help="the large backlog (%(default)s)")
    add("--json", type=Path, metavar="PATH", help="write machine and figures there as well")
    add("--dir", type=Path, metavar="DIR", help="where the temporary Postgres keeps its data")
    given = parser.parse_args(argv)
    if given.json and not given.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no directory {given.json.absolute().parent}")
    if given.dir and not given.dir.is_dir():
        parser.error(f"--dir: there is no directory {given.dir}")
    try:
        given.chosen = chosen(given.only, long=given.long)
    except ValueError as error:
        parser.error(str(error))
    return given


def main(argv: Sequence[str] | None = None) -> int:
    """Measure. Returns an exit code."""
    given = options(argv)
    if given.list:
        print(listed())
        return OK
    # Whoever ends us, a closed terminal too, lets us end what we started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    directory = given.dir or machine.place()
    with stage(directory) as ready:
        with ready.connect() as connection:
            described = machine.describe(connection, directory)
        described["load_generator"] = generator()
        bench = Bench(
            ready, given.rounds, given.seconds, given.events, given.backlog, given.long, say
        )
        for benchmark in given.chosen:
            try:
                figures += _measured(benchmark, bench, began)
            except (BenchError, psycopg.Error, OSError) as error:
                failed[benchmark.name] = str(error).strip() or type(error).__name__
                say(f"FAILED {benchmark.name}: {failed[benchmark.name]}")
    told = {name: value for name, value in vars(given).items() if name not in {"chosen", "list"}}
    print(report.described(described))
    print(f"\n{report.table(figures)}")
    if given.json:
        given.json.write_text(report.as_json(described, told, figures, failed), "utf-8")
    for name, reason in failed.items():
        print(f"\nFAILED {name}: {reason}")
    say(f"{time.monotonic() - began:.0f} s in all.")
    return FAILED if failed else OK


def _measured(benchmark: Benchmark, bench: Bench, began: float) -> list[Figure]:
    say(f"{time.monotonic() - began:5.0f} s  {benchmark.name}: {benchmark.what}")
    return list(benchmark.measure(bench))


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= LONGEST:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {LONGEST:g}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
