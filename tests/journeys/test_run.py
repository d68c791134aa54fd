"""`make run`: everything on this machine, from nothing, and all of it away again."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import Measured
from tests.support.http import fetch
from tests.support.processes import (
    REPOSITORY,
    STARTED_WITHIN,
    Process,
    Processes,
    alive,
    children,
    command,
    free_ports,
    tree,
)
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


def second_terminal(processes: Processes, *argv: str, **env: str) -> str:
    """What `python -m service ARGV…` prints where no setting of the running one is set."""
    names = {"PORT", "METRICS_PORT", "RELAY_METRICS_PORT", "BASE_URL", "DATA_DIR"}
    kept = {name: value for name, value in processes.env.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-m", "service", *argv],
        cwd=REPOSITORY,
        env={**kept, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


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

    # What it says to type next, typed: in another directory, in a shell that knows nothing of this one.
    typed = re.search(r"^  cd .+\n  curl -i .+$", said, re.MULTILINE)
    assert typed is not None
    for _ in range(2):
        answer = subprocess.run(
            ["sh", "-c", typed[0]],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        ).stdout
        assert answer.startswith("HTTP/1.1 302 Found"), answer
        assert "\nLocation: https://example.com/" in answer

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
    added = {"DATA_DIR": str(data_dir)}
    short = second_terminal(processes, "link", "add", "https://example.com/", **added)
    assert short.startswith(base(second))
    assert fetch(short).status == 302
    with psycopg.connect(conninfo(processes), autocommit=True) as sql:
        assert drained(sql)["clicks"] == 3
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


@PROC
def test_another_service_on_the_port_is_not_this_one(embedded_processes: Processes) -> None:
    """It says that it is up for a service of its own only, whatever answers on the port meanwhile."""
    processes = embedded_processes
    (port,) = free_ports(1)
    with ReadyForeigner(port):
        env = {"PORT": str(port), "METRICS_PORT": "0", "RELAY_METRICS_PORT": "0"}
        run = processes.start("ops.run", env=env)
        assert run.wait(STARTED_WITHIN).code == 78
    assert f"PORT={port}: the port is in use on 127.0.0.1 by process {os.getpid()} (" in run.stderr
    assert "Everyclick is up" not in run.stderr


@PROC
def test_metrics_ports_in_use(embedded_processes: Processes) -> None:
    """One that was asked for ends it, named with its setting and the process that has it."""
    processes = embedded_processes
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in ("METRICS_PORT", "RELAY_METRICS_PORT"):
            env = {"PORT": str(free_ports(1)[0]), name: str(port)}
            run = processes.start("ops.run", env=env)
            assert run.wait(STARTED_WITHIN).code == 78
            assert f"{name}={port}: the port is in use on 127.0.0.1 by process" in run.stderr


@PROC
def test_two_of_everything(embedded_processes: Processes, tmp_path: Path) -> None:
    """With another PORT and DATA_DIR a second one runs beside the first; so does a second relay.

    Only PORT and DATA_DIR are set: metrics ports that are taken by the first move.
    """
    processes = embedded_processes
    for name in ("METRICS_PORT", "RELAY_METRICS_PORT"):
        processes.env.pop(name)
    runs = []
    for number, port in enumerate(free_ports(2)):
        data_dir = str(tmp_path / f"data {number}")
        env = {"PORT": str(port), "DATA_DIR": data_dir}
        run = processes.start("ops.run", env=env)
        run.ready(lambda run=run: "Ctrl-C stops all of it." in run.stderr, "its welcome")  # type: ignore[misc]
        runs.append(run)
    metrics = [re.findall(r"http://127\.0\.0\.1:\d+/metrics", run.stderr) for run in runs]
    told = {url for found in metrics for url in found}
    assert all(fetch(url).status == 200 for url in told)
    third = processes.start("relay", env={"DATA_DIR": runs[0].env["DATA_DIR"]})
    third.ready(lambda: third.logged("database_ready"), "database_ready")
    assert third.metrics not in told
    assert fetch(third.metrics).status == 200
    assert "RELAY_METRICS_PORT=9465, the default, is in use" in third.stderr
    assert third.stop().code == 0
    for run in runs:
        assert run.interrupt().code == 0


class ReadyForeigner:
    """Somebody else's server, which answers 200 to everything."""

    def __init__(self, port: int) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Fine)

    def __enter__(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Fine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def tour() -> list[list[str]]:
    """The lines of each block of the README's tour."""
    section = (REPOSITORY / "README.md").read_text("utf-8").partition("## See it for yourself")[2]
    section = section.partition("`clicks.attempts`")[0]
    blocks = re.findall(r"((?:^    .+\n)+)", section, re.MULTILINE)
    return [[line.removeprefix("    ") for line in block.splitlines()] for block in blocks]


class Shell:
    """A terminal: one shell, a line at a time."""

    def __init__(self, env: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, line: str) -> str:
        """Type a line; return what is printed until the next can be typed."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{line}\necho\necho '--done'\n")
        self._shell.stdin.flush()
        said: list[str] = []
        while (read := self._shell.stdout.readline()) != "--done\n":
            assert read, f"the shell ended: {said}"
            said.append(read)
        return " ".join("".join(said).split())

    def leave(self) -> None:
        """End the shell, and wait for what it has started."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        self._shell.stdout.read()
        self._shell.stdout.close()
        self._shell.wait()


def walk(shell: Shell, block: list[str]) -> None:
    """Type a block's lines; each says what its comment promises, statistics a moment later."""
    for line in block:
        typed, _, comment = line.partition(" # ")
        said = shell.type(typed)
        promised = re.match(r'\d+ 302|"total":\d+|outbox due \d+|Rollups .+', comment.strip())
        if promised and typed.startswith("stats"):
            until(lambda: promised[0] in shell.type(typed), line, 30.0)  # noqa: B023
        elif promised:
            assert promised[0] in said, f"{line}: {said}"


@PROC
@pytest.mark.timeout(400)
def test_the_tour_of_the_readme(embedded_processes: Processes) -> None:
    """Every line of it, as it stands there, says what it promises; and once more on the same data."""
    processes = embedded_processes
    first, experiment, *others = tour()
    assert len(others) == 2
    (port,) = free_ports(1)
    env = {name: value for name, value in processes.env.items() if not name.startswith("LOG")}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    for _ in range(2):
        run = processes.everything(PORT=str(port))
        # The first part in a terminal that is told nothing of PORT.
        shell = Shell(env)
        try:
            for block in (first, experiment):
                walk(shell, block)
            assert run.interrupt().code == 0
            shell.type(f"export PORT={port}")
            for block in others:
                walk(shell, block)
        finally:
            shell.leave()
