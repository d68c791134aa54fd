"""Closed loop: so many connections, each asks again as soon as it has its answer.

It finds the greatest rate. Its latencies are those at that rate and say nothing about a server
that is not saturated; `load_open` measures those. wrk does it where it is installed; our own
generator, in Python, takes more of the processor away from what it measures, and says so.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import cycle
from math import ceil
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import perf_counter

from ops.bench import wire
from ops.bench.errors import BenchError
from ops.bench.figure import percentile
from ops.bench.load import Load
from service.contract.process import run

SCRIPT = Path(__file__).with_name("wrk.lua")

PATIENCE = 30.0
"""Seconds after the planned end until the generator is given up."""


def generator() -> str:
    """Return in words what makes the load."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return "our own, in Python: wrk is not installed, rates come out lower"
    # It tells its version with its usage, and with exit code 1.
    told = subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(told.split()[:2])


def closed_load(
    url: str,
    paths: Sequence[str],
    *,
    connections: int,
    seconds: float,
    headers: Mapping[str, str],
    wanted: int = 302,
) -> Load:
    """Ask for the paths in turn; `wanted` is the status of a good answer. Raises BenchError."""
    wrk = shutil.which("wrk")
    if wrk is None:
        asking = ask(url, paths, connections, seconds, headers, wanted)
        return run(asyncio.wait_for(asking, seconds + PATIENCE))
    return _wrk(wrk, url, paths, connections, seconds, headers)


def _wrk(
    wrk: str,
    url: str,
    paths: Sequence[str],
    connections: int,
    seconds: float,
    headers: Mapping[str, str],
) -> Load:
    with NamedTemporaryFile("w", suffix=".paths") as file:
        file.write("".join(f"{path}\n" for path in paths))
        file.flush()
        given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        options = ["-t1", f"-c{connections}", f"-d{max(ceil(seconds), 1)}s", *given]
        try:
            told = subprocess.run(
                [wrk, *options, "-s", SCRIPT, url, "--", file.name],
                capture_output=True,
                text=True,
                check=True,
                timeout=seconds + PATIENCE,
            ).stdout
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"wrk failed: {error}\n{error.stderr!r}") from error
    counted = json.loads(told.splitlines()[-1])
    return Load(
        seconds=counted["microseconds"] / 1e6,
        # wrk calls every status below 400 a good one; nothing measured here answers 2xx for 3xx.
        answered=counted["complete"] - counted["refused"],
        failed=counted["refused"] + counted["broken"],
        p50=counted["p50"] / 1e3,
        p95=counted["p95"] / 1e3,
        p99=counted["p99"] / 1e3,
    )


async def ask(
    url: str,
    paths: Sequence[str],
    number: int,
    seconds: float,
    headers: Mapping[str, str],
    wanted: int,
) -> Load:
    """Our own generator: one coroutine for each of `number` connections. Raises BenchError."""
    requests = cycle([wire.get(url, path, headers) for path in paths])
    connections = await wire.connect(url, number)
    taken: list[float] = []
    failed = 0
    began = perf_counter()
    end = began + seconds

    async def keep_asking(connection: wire.Connection) -> None:
        nonlocal failed
        loop = asyncio.get_running_loop()
        while (asked := perf_counter()) < end and not connection.lost:
            answer: asyncio.Future[int] = loop.create_future()
            connection.ask(next(requests), answer.set_result)
            if await answer == wanted:
                taken.append(perf_counter() - asked)
            else:
                failed += 1

    await asyncio.gather(*map(keep_asking, connections))
    lasted = perf_counter() - began
    for connection in connections:
        connection.close()
    taken.sort()
    if not taken:
        raise BenchError(f"None of {failed} requests was answered {wanted}.")
    p50, p95, p99 = (percentile(taken, percent) * 1e3 for percent in (50, 95, 99))
    return Load(lasted, len(taken), failed, p50, p95, p99)
