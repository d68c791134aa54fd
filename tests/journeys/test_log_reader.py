"""A log reader that stalls: a full pipe, or a terminal after Ctrl-S."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.http import Load, fetch
from tests.support.log_reader import LogReader, pipe_reader, terminal_reader
from tests.support.processes import REPOSITORY, Processes, free_ports
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


NAMES = ("service", "relay")


def answers(url: str) -> bool:
    """Whether a request is answered with 200."""
    try:
        return fetch(url).status == 200
    except OSError:
        return False


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
        logs = {name: stack.enter_context(reader()) for name in NAMES}
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
        for name in NAMES:
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a /dev/full")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_dropped_lines_are_counted(
    processes: Processes, sql: psycopg.Connection, workers: str
) -> None:
    """On the service's port, where several workers' are added up, and on the relay's."""
    make_link(sql, "lost")
    port, service_port, relay_port = free_ports(3)
    env = {
        "WEB_CONCURRENCY": workers,
        "PORT": str(port),
        "METRICS_PORT": str(service_port),
        "RELAY_METRICS_PORT": str(relay_port),
        "LOG_LEVEL": "debug",
    }
    base = f"http://127.0.0.1:{port}"
    with Path("/dev/full").open("wb") as full:
        started = [processes.start(name, env=env, stderr=full.fileno()) for name in NAMES]
        started[0].ready(lambda: answers(f"{base}/readyz"), "ready")
        assert {200} == {fetch(f"{base}/api/openapi.json").status for _ in range(100)}
        assert {302} == {fetch(f"{base}/lost").status for _ in range(100)}
        until(lambda: count(sql, "clicks") == 100, "all clicks")

        def all_counted() -> bool:
            # A line is lost by the thread that writes; the next request counts it.
            fetch(f"{base}/healthz")
            lost = [
                dropped(f"http://127.0.0.1:{each}/metrics") for each in (service_port, relay_port)
            ]
            return lost[0] >= 200 and lost[1] >= 1

        until(all_counted, "every line lost")
        assert {0} == {process.stop().code for process in started}


ALWAYS = {"timestamp", "level", "event", "process", "pid"}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_whole_life_is_json(embedded_processes: Processes, workers: str) -> None:
    """Start, traffic, failure, stop: each line has a time, a level, an event, a process and its pid."""
    ports = zip(("PORT", "METRICS_PORT", "RELAY_METRICS_PORT"), free_ports(3), strict=True)
    env = {name: str(port) for name, port in ports}
    env |= {"WEB_CONCURRENCY": workers, "LOG_FORMAT": "auto", "RELAY_FAULT_RATE": "1"}
    base = f"http://127.0.0.1:{env['PORT']}"
    service = embedded_processes.start("service", env=env)
    service.ready(lambda: answers(f"{base}/readyz"), "ready")
    relay = embedded_processes.start("relay", env=env)
    embedded_processes.cli("service", "link", "add", "https://example.com/", "--code", "life")
    assert {302} == {fetch(f"{base}/life").status for _ in range(20)}
    relay.ready(lambda: relay.logged("event_failed"), "a failure")
    assert 401 == fetch(f"{base}/api/v1/me").status
    if workers == "2":
        service.send(signal.SIGHUP)
        service.ready(lambda: len(service.logged("worker_replaced")) == 2, "both replaced")
    refused = embedded_processes.start("service", env={**env, "PORT": "x", "LOG_FORMAT": "json"})
    assert 78 == refused.wait().code
    assert 0 == relay.stop().code
    assert 0 == service.stop().code
    for process in (service, relay, refused):
        lines = [json.loads(line) for line in process.stderr.splitlines()]
        assert lines
        assert [] == [line for line in lines if not ALWAYS <= set(line)]
        assert {process.name} == {line["process"] for line in lines}
        assert process.pid in {line["pid"] for line in lines}
    assert any("making a Postgres cluster" in line["message"] for line in service.logged("message"))
    (fault,) = refused.logged("message")
    assert ("error", True) == (fault["level"], fault["message"].startswith("PORT=x: "))


@pytest.mark.parametrize("name", ["service", "relay"])
def test_an_uncaught_exception_is_json(processes: Processes, name: str) -> None:
    """Even a bug that ends the process is one line, and the exit code says that it failed."""
    program = (
        "import sys, service.server, relay.runner\n"
        "service.server.create_app = None\n"
        "relay.runner.monitor = None\n"
        f"sys.argv = ['{name}']\n"
        "import runpy\n"
        f"runpy.run_module('{name}', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**processes.env, "PORT": "0"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 1 == done.returncode
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert ("uncaught_exception", "error") == (lines[-1]["event"], lines[-1]["level"])
    assert "TypeError: 'NoneType'" in lines[-1]["exception"]
