"""`make run`: everything on this machine, from nothing, and all of it away again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.http import fetch
from tests.support.processes import Process, Processes, alive, children, command, tree
from tests.support.traffic import count, drained
from tests.support.waiting import until

pytestmark = pytest.mark.process

PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")


def child(run: Process, module: str) -> int:
    """The pid of `python -m MODULE` under a running `ops.run`; 0 when there is none."""
    found = [pid for pid in children(run.pid) if command(pid).endswith(f" -m {module}")]
    assert len(found) <= 1
    return found[0] if found else 0


def base(run: Process) -> str:
    """Where it serves."""
    return f"http://127.0.0.1:{run.env['PORT']}"


def conninfo(processes: Processes) -> str:
    """Where the embedded server is, for psycopg."""
    socket = Path(processes.env["DATA_DIR"], "socket").read_text().strip()
    return f"host={socket}/socket user=everyclick dbname=everyclick"


def ready(run: Process) -> bool:
    """Whether the service answers that it can work."""
    try:
        return fetch(f"{base(run)}/readyz").status == 200
    except OSError:
        return False


@PROC
def test_run_from_nothing_to_nothing(
    embedded_processes: Processes, tmp_path: Path, measured: Measured
) -> None:
    """It says where everything is, what it says works, Ctrl-C leaves only the data behind."""
    processes = embedded_processes
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    processes.env["TMPDIR"] = str(temporary)
    started = time.monotonic()
    run = processes.everything()
    measured("ops.run from nothing to its welcome", time.monotonic() - started)
    said, url = run.stderr, base(run)
    data_dir = Path(processes.env["DATA_DIR"])
    assert f"{url}/CODE" in said
    assert f"{url}/stats/CODE" in said
    assert f"http://127.0.0.1:{run.env['METRICS_PORT']}/metrics" in said
    assert run.env["RELAY_METRICS_PORT"] in said
    assert f"data in {data_dir}" in said
    assert run.stdout == ""

    psql = re.search(r"Look inside +(.+)", said)
    assert psql is not None
    told = subprocess.run(
        f"{psql[1]} -XAtc 'SELECT version_num FROM alembic_version'",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"\d{4}\n", told.stdout)

    # What it says to type next, typed.
    typed = re.search(r"^  (\S+ -m service link add .+)$", said, re.MULTILINE)
    assert typed is not None
    environment = dict(run.env)
    short = subprocess.run(
        typed[1], shell=True, capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()
    assert f"curl -i {short}" in said
    answer = fetch(short)
    assert (answer.status, answer.headers["location"]) == (302, "https://example.com/")

    setup = re.search(rf"^  curl {url}/api/v1/setup .+ -d '(.+)'$", said, re.MULTILINE)
    assert setup is not None
    first = {**json.loads(setup[1]), "email": "root@example.com", "password": "correct horse"}
    assert fetch(f"{url}/api/v1/setup", method="POST", payload=first).status == 201

    below = tree(run.pid)
    assert len(below) >= 4
    runtime = Path((data_dir / "socket").read_text().strip())
    assert runtime.is_dir()
    ended = run.interrupt()
    measured("Ctrl-C to the end of everything", ended.seconds)
    assert ended.code == 0
    assert ended.seconds < 20.0
    assert [command(pid) for pid in below if alive(pid)] == []
    assert not runtime.exists()
    assert list(temporary.iterdir()) == []
    assert run.stderr.endswith("Stopped. The data stays.\n")

    started = time.monotonic()
    second = processes.everything()
    measured("ops.run with data to its welcome", time.monotonic() - started)
    assert "/api/v1/setup" not in second.stderr
    assert fetch(f"{base(second)}/hello").status == 302
    with psycopg.connect(conninfo(processes), autocommit=True) as sql:
        assert drained(sql)["clicks"] == 2
    assert second.interrupt().code == 0


@PROC
def test_impatient_interrupts(embedded_processes: Processes) -> None:
    """Ctrl-C pressed again and again until the end: still nothing is left, and no trace is shown."""
    run = embedded_processes.everything()
    below = tree(run.pid)
    while run.code is None:
        run.send(signal.SIGINT)
        time.sleep(0.02)
    assert run.code in {0, 130}
    until(lambda: not any(map(alive, below)), "the end of all below it", 10)
    assert not Path(embedded_processes.env["DATA_DIR"], "socket").exists()


def recover(run: Process, module: str, clicks: int, conninfo: str, measured: Measured) -> None:
    """Kill a child; wait for another, for a click on it, and for so many clicks counted."""
    pid = child(run, module)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: not alive(pid), f"the end of the {module}")
    until(lambda: child(run, module), f"a new {module}")
    until(lambda: ready(run), "the service ready")
    assert fetch(f"{base(run)}/again").status == 302
    with psycopg.connect(conninfo, autocommit=True) as sql:
        until(lambda: count(sql, "clicks") == clicks, f"{clicks} clicks")
    measured(f"kill of the {module} to the next click counted", time.monotonic() - killed)


@PROC
def test_fallen_children_are_started_again(
    embedded_processes: Processes, measured: Measured
) -> None:
    """Kill -9 of the service, then of the relay: each is back by itself, clicks go on and count."""
    processes = embedded_processes
    run = processes.everything()
    processes.cli("service", "link", "add", "https://example.com/", "--code", "again", env=run.env)
    assert fetch(f"{base(run)}/again").status == 302
    for module, clicks in (("service", 2), ("relay", 3)):
        recover(run, module, clicks, conninfo(processes), measured)
    assert [entry["name"] for entry in run.logged("worker_exited")] == ["service", "relay"]
    assert run.interrupt().code == 0


@PROC
def test_killed_run_takes_its_children_along(
    embedded_processes: Processes, measured: Measured
) -> None:
    """SIGKILL of `ops.run`: service, relay and Postgres end by themselves; the next has the data."""
    processes = embedded_processes
    run = processes.everything()
    processes.cli("service", "link", "add", "https://example.com/", "--code", "kept", env=run.env)
    assert fetch(f"{base(run)}/kept").status == 302
    below = tree(run.pid)
    run.kill()
    killed = time.monotonic()
    until(lambda: not any(map(alive, below)), "the end of all below it")
    measured("SIGKILL of ops.run to the end of all below it", time.monotonic() - killed)
    second = processes.everything()
    assert fetch(f"{base(second)}/kept").status == 302
    with psycopg.connect(conninfo(processes), autocommit=True) as sql:
        until(lambda: count(sql, "clicks") == 2, "both clicks counted")
    assert second.interrupt().code == 0


@PROC
def test_next_run_takes_over_a_running_database(embedded_processes: Processes) -> None:
    """A killed service leaves its Postgres running; the next `ops.run` uses that very server."""
    processes = embedded_processes
    service = processes.service()
    service.kill()
    with psycopg.connect(conninfo(processes), autocommit=True) as sql:
        row = sql.execute("SELECT pg_postmaster_start_time()").fetchone()
    run = processes.everything()
    with psycopg.connect(conninfo(processes), autocommit=True) as sql:
        assert row == sql.execute("SELECT pg_postmaster_start_time()").fetchone()
    assert run.interrupt().code == 0
