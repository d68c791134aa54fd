"""python -m ops.restarts [--requests N] [--times N] [--workers 1,2,4]: stop and restart under load.

For each number of workers: `times` rolling restarts (SIGHUP), then `times` stops (SIGTERM, followed by a
start), while clients with kept connections and clients with a fresh connection per request go on asking for a
link. A request that was sent and got no complete 302 counts as failed; a connection refused while no service
runs does not. Run it as an ordinary user, best without any capability:

    capsh --drop=all --user=NAME -- -c '.venv/bin/python -m ops.restarts'

Exit code 0 when no request failed and each acknowledged click is stored, 1 otherwise.
"""

from __future__ import annotations

import argparse
import getpass
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import psycopg

import migrations
from service.contract.embedded import EmbeddedPostgres
from service.contract.postgres import Database
from service.contract.process import FAILED, OK
from tests.support.closed_loop import ClosedLoop
from tests.support.processes import SECRET_KEY, Process, Processes, free_ports, url_of
from tests.support.traffic import make_link, value

KEPT, FRESH = 32, 8
"""Clients of each kind."""


@dataclass
class Result:
    """What one number of workers went through."""

    workers: int
    sent: int = 0
    found: int = 0
    refused: int = 0
    restarts: int = 0
    stops: int = 0
    stored: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """Requests without a complete 302."""
        return sum(self.failures.values())

    @property
    def passed(self) -> bool:
        """Whether no request failed and each acknowledged click is stored."""
        return self.failed == 0 and self.found <= self.stored <= self.sent


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print the figures. Returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.restarts", description=__doc__)
    parser.add_argument("--requests", type=int, default=170_000, help="at least, per worker count")
    parser.add_argument("--times", type=int, default=20, help="restarts and stops per worker count")
    parser.add_argument("--workers", default="1,2,4", help="numbers of workers, with commas")
    given = parser.parse_args(argv)
    print(f"as {getpass.getuser()}, effective capabilities {capabilities()}", flush=True)
    results = []
    with (
        tempfile.TemporaryDirectory(prefix="everyclick-restarts-") as directory,
        EmbeddedPostgres(Path(directory) / "server") as embedded,
    ):
        database = Database("embedded", embedded.conninfo, "", "")
        migrations.upgrade(database.connect)
        for workers in map(int, given.workers.split(",")):
            processes = Processes(
                Path(directory), {"DATABASE_URL": url_of(database), "SECRET_KEY": SECRET_KEY}
            )
            with database.connect("everyclick-restarts") as sql:
                sql.execute("TRUNCATE outbox")
                try:
                    result = run(
                        processes, sql, workers, given.times, given.requests, f"workers{workers}"
                    )
                finally:
                    with redirect_stdout(StringIO()):  # it prints what the processes said
                        processes.close()
            print(line(result), flush=True)
            results.append(result)
    sent, failed = sum(each.sent for each in results), sum(each.failed for each in results)
    print(f"{failed:,} of {sent:,} requests failed")
    return OK if all(each.passed for each in results) else FAILED


def run(
    processes: Processes,
    sql: psycopg.Connection,
    workers: int,
    times: int,
    requests: int,
    code: str,
) -> Result:
    """Restart and stop a service with so many workers; return what its clients saw."""
    make_link(sql, code)
    env = {"PORT": str(free_ports(1)[0]), "WEB_CONCURRENCY": str(workers)}
    result = Result(workers)
    began = time.monotonic()
    service = started(processes, env, workers)
    with ClosedLoop(f"{service.url}/{code}", kept=KEPT, fresh=FRESH) as clients:
        while result.restarts < times or clients.sent < 0.8 * requests:
            replaced = len(service.logged("worker_replaced"))
            service.send(signal.SIGHUP)
            service.ready(
                lambda: len(service.logged("worker_replaced")) == replaced + workers,  # noqa: B023
                "all workers replaced",
            )
            result.restarts += 1
        while result.stops < times or clients.sent < requests:
            answered = clients.found + 0.2 * requests / times
            service.ready(lambda: clients.found >= answered, "some requests answered")  # noqa: B023
            service.stop()
            service = started(processes, env, workers)
            result.stops += 1
    service.stop()
    result.sent, result.found, result.refused = clients.sent, clients.found, clients.refused
    result.failures = dict(clients.failures)
    result.stored = value(sql, "SELECT count(*) FROM outbox")
    result.seconds = time.monotonic() - began
    return result


def started(processes: Processes, env: dict[str, str], workers: int) -> Process:
    """Start a service; return once all of its workers serve."""
    service = processes.start("service", env=env)
    service.ready(lambda: len(service.logged("database_ready")) == workers, "all workers ready")
    return service


def line(result: Result) -> str:
    """Return a result in words."""
    failures = "".join(f"\n    {number:,} {kind}" for kind, number in result.failures.items())
    return (
        f"{result.workers} workers: {result.failed:,} of {result.sent:,} requests failed in "
        f"{result.restarts} rolling restarts and {result.stops} stops ({result.found:,} answered "
        f"302, {result.stored:,} stored, {result.refused:,} connections refused while it was "
        f"down; {result.seconds:.0f} s){failures}"
    )


def capabilities() -> str:
    """Return this process's effective capabilities in hexadecimal; 0 means none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return "unknown"
    lines = dict(each.split(":", 1) for each in status.read_text().splitlines() if ":" in each)
    return f"{int(lines['CapEff'], 16):x}"


if __name__ == "__main__":
    sys.exit(main())
