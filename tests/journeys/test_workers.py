"""WEB_CONCURRENCY=2: two workers on one port, and a supervisor that counts for both."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.http import click, fetch, statuses
from tests.support.processes import Process, Processes, alive, children, command, free_ports
from tests.support.sockets import listening
from tests.support.traffic import count, make_link
from tests.support.waiting import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here"),
]


def workers(supervisor: Process) -> list[int]:
    """The pids of its workers."""
    return [pid for pid in children(supervisor.pid) if command(pid).endswith(" -m service")]


def redirects(supervisor: Process) -> int:
    """The redirects all workers have answered, as its metrics tell."""
    metrics = fetch(supervisor.metrics).body.decode()
    found = re.search(
        r'^everyclick_redirects_total\{outcome="found"\} (\S+)$', metrics, re.MULTILINE
    )
    return int(float(found[1])) if found else 0


def test_workers_share_a_port(
    processes: Processes, sql: psycopg.Connection, measured: Measured
) -> None:
    """Both answer; one killed is replaced while clicks go on; the metrics are those of both."""
    make_link(sql, "shared")
    port = free_ports(1)[0]
    supervisor = processes.start("service", env={"PORT": str(port), "WEB_CONCURRENCY": "2"})
    # One line is the supervisor's own, and one comes from each worker.
    supervisor.ready(lambda: len(supervisor.logged("database_ready")) == 2, "two workers ready")
    supervisor.ready(lambda: len(supervisor.logged("listening")) == 3, "two workers listening")
    url = f"http://127.0.0.1:{port}/shared"
    first = workers(supervisor)
    assert [{("tcp", port)}] * 2 == [listening([pid]) for pid in first]
    # The listener is the supervisor's too, and stays when a worker goes.
    assert ("tcp", port) in listening([supervisor.pid])
    assert statuses(click(url, 60)) == {302: 60}
    assert redirects(supervisor) == 60

    os.kill(first[0], signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: supervisor.logged("worker_exited"), "the end of the killed worker")
    assert statuses(click(url, 20)) == {302: 20}
    until(lambda: len(workers(supervisor)) == 2, "a new worker")
    supervisor.ready(lambda: len(supervisor.logged("database_ready")) == 3, "the new one ready")
    measured("kill of a worker to its replacement at work", time.monotonic() - killed)
    assert first[1] in workers(supervisor)
    assert statuses(click(url, 40)) == {302: 40}
    assert redirects(supervisor) == 120
    assert count(sql, "outbox") == 120

    # Frozen, its visitors are taken in by the other.
    os.kill(first[1], signal.SIGSTOP)
    answers = click(url, 20)
    os.kill(first[1], signal.SIGCONT)
    assert statuses(answers) == {302: 20}
    assert max(answer.seconds for answer in answers) < 2.0

    second = workers(supervisor)
    ended = supervisor.stop()
    assert ended.code == 0
    assert [pid for pid in second if alive(pid)] == []
