"""A log reader that stalls: a full pipe, or a terminal after Ctrl-S."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.http import Load, fetch
from tests.support.log_reader import LogReader, pipe_reader, terminal_reader
from tests.support.processes import Processes
from tests.support.traffic import count, make_link
from tests.support.waiting import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here"),
]

Reader = Callable[[], AbstractContextManager[LogReader]]

PROMISED = 3.0
"""Seconds that a redirect may take, at most."""

REQUESTS = 400
"""Each logs one line, about 200 bytes; the pipe holds 4096."""


def dropped(metrics: str) -> int:
    """How many lines the metrics say were dropped."""
    text = fetch(metrics).body.decode()
    found = re.search(r"^everyclick_log_lines_dropped_total (\S+)$", text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


@pytest.mark.parametrize("reader", [pipe_reader, terminal_reader])
def test_redirects_and_batches_do_not_wait(
    processes: Processes, sql: psycopg.Connection, measured: Measured, reader: Reader
) -> None:
    """While nobody reads the logs, redirects are answered and clicks counted; then the log goes on."""
    make_link(sql, "stalled")
    with ExitStack() as stack:
        logs = {name: stack.enter_context(reader()) for name in ("service", "relay")}
        env = {"LOG_FORMAT": "json", "LOG_LEVEL": "debug", "PORT": "0"}
        started = {
            name: processes.start(name, env=env, stderr=log.theirs) for name, log in logs.items()
        }
        for name, log in logs.items():
            started[name].ready(lambda log=log: log.logged("database_ready"), "ready")  # type: ignore[misc]
            until(lambda log=log: log.logged("listening"), "listening")  # type: ignore[misc]
        (listening,) = logs["service"].logged("listening")
        metrics = {name: log.logged("listening")[0]["metrics"] for name, log in logs.items()}
        assert {0} == {dropped(url) for url in metrics.values()}
        for log in logs.values():
            log.pause()
        try:
            with Load(f"{listening['url']}/stalled") as load:
                for _ in range(REQUESTS):
                    assert fetch(f"{listening['url']}/api/v1/me").status == 401
                until(lambda: load.found >= 300, "300 redirects")
                until(lambda: count(sql, "clicks") >= 300, "300 clicks")
        finally:
            for log in logs.values():
                log.resume()
        slowest = max(answer.seconds for answer in load.answers)
        measured("longest redirect while nobody reads the log", slowest)
        assert [] == load.cut
        assert slowest < PROMISED
        until(lambda: count(sql, "outbox") == 0, "an empty outbox")
        assert count(sql, "clicks") == load.found
        for process in started.values():
            assert 0 == process.stop().code
        for log in logs.values():
            until(lambda log=log: log.logged("stopped"), "its last line")  # type: ignore[misc]


def test_the_end_does_not_wait(processes: Processes, measured: Measured) -> None:
    """A process whose log nobody reads ends when it is told to, with its exit code."""
    with ExitStack() as stack:
        for name in ("service", "relay"):
            log = stack.enter_context(pipe_reader())
            process = processes.start(name, env={"PORT": "0"}, stderr=log.theirs)
            process.ready(lambda log=log: log.logged("database_ready"), "ready")  # type: ignore[misc]
            log.pause()
            ended = process.stop()
            measured(f"end of the {name} while nobody reads the log", ended.seconds)
            assert 0 == ended.code


def test_a_start_that_fails_does_not_wait(processes: Processes) -> None:
    """Nor does one whose configuration is wrong."""
    with pipe_reader() as log:
        log.pause()
        began = time.monotonic()
        process = processes.start("service", env={"PORT": "x"}, stderr=log.theirs)
        assert 78 == process.wait().code
        assert time.monotonic() - began < 30
