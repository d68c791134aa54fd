"""Statistics of a link with ten million clicks over three years."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from ops import smoke
from ops.bench.bench import Bench
from ops.bench.errors import BenchError
from ops.bench.figure import Figure, alone, at_most
from ops.bench.load_closed import closed_load
from ops.bench.processes import serving
from ops.bench.stage import REFERRER, SQL, USER_AGENT, Stage

CLICKS = 10_000_000
HOURS = 26_280
"""Three years: a row of the rollup for each hour."""

FILLED = 1_000_000
"""Clicks really there unless --long: the plain question does not look at them."""

MONTHS = 37
OWNER = "bench@example.com"


def stats_10m(bench: Bench) -> Iterator[Figure]:
    """GET /stats over HTTP with a token, one request after another: what a dashboard waits for."""
    stage = bench.stage
    filled = CLICKS if bench.long else min(FILLED, bench.events * 10)
    stage.reset(1)
    _command(stage, "service", "user", "add", OWNER, "--password-stdin")
    token = _command(stage, "service", "token", OWNER)
    bench.say(f"  filling in {filled:,} clicks")
    _fill(stage, filled)
    headers = {"Authorization": f"Bearer {token}"}
    with serving(stage, "service") as service:

        def asked(query: str) -> float:
            path = f"/stats/b1{query}"
            return (
                closed_load(
                    service.url,
                    [path],
                    connections=1,
                    seconds=bench.seconds / 2,
                    headers=headers,
                    wanted=200,
                )
                .whole()
                .p95
            )

        if smoke.total(f"{service.url}/stats/b1", token) != CLICKS:
            raise BenchError(f"/stats does not tell {CLICKS} clicks.")
        plain, shifted = bench.turns(lambda: asked(""), lambda: asked("?tz=Asia/Kolkata"))
    yield alone(
        "stats_10m p95",
        "ms",
        plain,
        target=at_most(10),
        note=f"{CLICKS:,} clicks in {HOURS:,} hours of the rollup, {filled:,} of them in clicks too",
    )
    yield alone(
        "stats_10m p95, +05:30",
        "ms",
        shifted,
        note="a zone whose midnight falls inside an hour: those hours are counted click by click",
    )


def _fill(stage: Stage, filled: int) -> None:
    with stage.connect() as connection:
        connection.execute(SQL["stage_partitions"], {"months_back": MONTHS})
        owner = {"email": OWNER, "code": "b1"}
        link_id = connection.execute(SQL["years_owner"], owner).fetchall()[0][0]
        over = {"link_id": link_id, "hours": HOURS}
        connection.execute(SQL["years_rollup"], {**over, "clicks": CLICKS})
        texts = {"referrer": REFERRER, "user_agent": USER_AGENT}
        connection.execute(SQL["years_clicks"], {**over, **texts, "clicks": filled})
        connection.execute("VACUUM ANALYZE clicks, clicks_hourly, links")
        connection.execute("CHECKPOINT")


def _command(stage: Stage, *argv: str) -> str:
    """Run a command of ours; return what it printed. Raises BenchError."""
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=smoke.REPOSITORY,
        env=stage.environment(),
        input="a password for a benchmark\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise BenchError(f"`{' '.join(argv)}` exited {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()
