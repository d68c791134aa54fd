"""The project's own processes, started as a person starts them, ended whatever the test does."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from relay.settings import RelaySettings
from service.contract.embedded.processes import Processes as Postgres
from service.contract.postgres import Database
from service.settings import ServiceSettings
from tests.support.waiting import until

REPOSITORY = Path(__file__).parents[2]

PROC = Path("/proc")

SECRET_KEY = "a key for journeys, more than thirty-two bytes long"

STARTED_WITHIN = 45.0
"""Seconds a process may take until it is ready, a first initdb on a busy machine included."""

ENDED_WITHIN = 30.0
"""Seconds a process may take to end: SHUTDOWN_TIMEOUT (10 s), and a busy machine's share."""

# What the machine or a developer's shell says must not decide what a test does.
_OURS = frozenset(
    name.upper() for settings in (ServiceSettings, RelaySettings) for name in settings.model_fields
) | {
    "EVERYCLICK_LIFELINE",
    "EVERYCLICK_LISTENERS",
    "EVERYCLICK_READY",
    "PROMETHEUS_MULTIPROC_DIR",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and how long after it was asked to."""

    code: int
    seconds: float


class Process:
    """One process in a session of its own; what it says is kept in files."""

    def __init__(
        self,
        name: str,
        argv: list[str],
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        stderr: int | None = None,
    ) -> None:
        self.name = name
        self.env = env
        self._stderr, self._stdout = log.with_suffix(".stderr"), log.with_suffix(".stdout")
        with self._stderr.open("wb") as errors, self._stdout.open("wb") as data:
            self._popen = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=data,
                stderr=errors if stderr is None else stderr,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.orphans: list[int] = []
        """The processes that were below it when it was killed."""

    @property
    def stderr_path(self) -> Path:
        """The file that holds what it says."""
        return self._stderr

    @property
    def stderr(self) -> str:
        """Everything it has said so far."""
        return self._stderr.read_text("utf-8", "replace")

    @property
    def stdout(self) -> str:
        """All data it has printed so far."""
        return self._stdout.read_text("utf-8", "replace")

    @property
    def url(self) -> str:
        """Where its redirects are: what the log line `listening` says."""
        return str(self.logged("listening")[0]["url"])

    @property
    def metrics(self) -> str:
        """Where its metrics are."""
        return str(self.logged("listening")[0]["metrics"])

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._popen.poll()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The complete log lines of this name, in order."""
        lines = [line for line in self.stderr.split("\n")[:-1] if line.startswith("{")]
        return [entry for entry in map(json.loads, lines) if entry.get("event") == event]

    def ready(self, look: Callable[[], object], what: str) -> None:
        """Wait for `look` to be true; fail at once, with its words, when the process ends."""

        def alive() -> object:
            assert self.code is None, f"{self.name} ended with {self.code}:\n{self.stderr}"
            return look()

        until(alive, f"{self.name}: {what}", STARTED_WITHIN)

    def send(self, number: int) -> None:
        """Send a signal to this process alone."""
        self._popen.send_signal(number)

    def wait(self, within: float = ENDED_WITHIN) -> Ended:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        asked = time.monotonic()
        return Ended(self._popen.wait(within), time.monotonic() - asked)

    def stop(self, number: int = signal.SIGTERM) -> Ended:
        """Ask it to end and wait until it has."""
        self.send(number)
        return self.wait()

    def interrupt(self) -> Ended:
        """Do what Ctrl-C in its terminal does: SIGINT to its whole process group."""
        os.killpg(self.pid, signal.SIGINT)
        return self.wait()

    def kill(self) -> None:
        """Kill -9, and wait for the end; nothing if it has ended."""
        self.orphans = tree(self.pid) or self.orphans
        self._popen.kill()
        self._popen.wait(ENDED_WITHIN)


class Processes:
    """Starts processes on one database or DATA_DIR; `close` ends whatever is left of them."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self._directory = directory
        self._data_dir = directory / "data"
        self._started: list[Process] = []
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name.removesuffix("_FILE") not in _OURS and not name.startswith("PG")
        }
        self.env: dict[str, str] = {
            **inherited,
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "LOG_FORMAT": "json",
            "DATA_DIR": str(self._data_dir),
            "METRICS_PORT": "0",
            "RELAY_METRICS_PORT": "0",
            **env,
        }

    def start(
        self,
        *argv: str,
        cwd: Path = REPOSITORY,
        env: Mapping[str, str] | None = None,
        stderr: int | None = None,
    ) -> Process:
        """Start `python -m ARGV…` and return at once."""
        return self.start_program([sys.executable, "-m", *argv], cwd=cwd, env=env, stderr=stderr)

    def start_program(
        self,
        argv: list[str],
        *,
        cwd: Path = REPOSITORY,
        env: Mapping[str, str] | None = None,
        stderr: int | None = None,
    ) -> Process:
        """Start any program and return at once; `stderr` is a descriptor, else a file is."""
        number = len(self._started)
        name = " ".join(argv).removeprefix(f"{sys.executable} -m ")
        log = self._directory / f"process-{number}"
        process = Process(name[:60], argv, {**self.env, **(env or {})}, cwd, log, stderr)
        self._started.append(process)
        return process

    def service(self, **env: str) -> Process:
        """Start a service; return once it is ready."""
        process = self.start("service", env={"PORT": "0", **env})
        process.ready(lambda: process.logged("database_ready"), "database_ready")
        process.ready(lambda: process.logged("listening"), "listening")
        return process

    def relay(self, **env: str) -> Process:
        """Start a relay; return once it has the database."""
        process = self.start("relay", env=env)
        process.ready(lambda: process.logged("database_ready"), "database_ready")
        return process

    def everything(self, **env: str) -> Process:
        """Start what `make run` starts, on free ports; return once it has said that it is up."""
        names = ("PORT", "METRICS_PORT", "RELAY_METRICS_PORT")
        ports = {name: str(port) for name, port in zip(names, free_ports(3), strict=True)}
        process = self.start("ops.run", env={**ports, **env})
        process.ready(lambda: "Ctrl-C stops all of it." in process.stderr, "its welcome")
        return process

    def cli(
        self,
        *argv: str,
        stdin: str = "",
        expected: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m ARGV…` to its end; its exit code must be the expected one."""
        done = subprocess.run(
            [sys.executable, "-m", *argv],
            env={**self.env, **(env or {})},
            cwd=REPOSITORY,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expected, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def close(self) -> None:
        """End what still runs, and print what each process said: pytest shows it on failure."""
        for process in reversed(self._started):
            left = [*process.orphans, *(tree(process.pid) if process.code is None else [])]
            process.send(signal.SIGCONT)
            process.send(signal.SIGTERM)
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
            for pid in left:
                _end(pid)
        # A server that outlived all of them, as it does when they are killed.
        Postgres(self._data_dir / "postgres").signal(signal.SIGQUIT)
        record = self._data_dir / "socket"
        if record.exists():
            shutil.rmtree(record.read_text("utf-8").strip(), ignore_errors=True)
        for process in self._started:
            said = process.stderr.splitlines()
            print(f"=== {process.name} (pid {process.pid}, exit code {process.code})")
            print("\n".join([*said[:20], "…", *said[-80:]] if len(said) > 100 else said))

    def complaints(self) -> list[str]:
        """Lines no process should ever write: traces, and warnings of the interpreter."""
        signs = ("Traceback (most recent", "Warning: ", "was never retrieved", "was destroyed but")
        return [
            f"{process.name}: {line[:2000]}"
            for process in self._started
            for line in process.stderr.splitlines()
            if any(sign in line for sign in signs)
        ]


@contextmanager
def heard_out(processes: Processes) -> Iterator[Processes]:
    """End them, whatever becomes of the test; none of them may have complained."""
    try:
        yield processes
    finally:
        processes.close()
    assert [] == processes.complaints()


def url_of(database: Database) -> str:
    """The database as a DATABASE_URL, whichever way its conninfo is written."""
    given = {name: str(value) for name, value in conninfo_to_dict(database.conninfo).items()}
    # quote, not its default: libpq reads a plus as a plus.
    return f"postgresql:///?{urlencode(given, quote_via=quote)}"


def free_ports(number: int) -> list[int]:
    """Ports nobody listens on, below the range that outgoing connections take theirs from."""
    chance = secrets.SystemRandom()  # not seeded: two suites at once must not draw the same
    found: set[int] = set()
    while len(found) < number:
        port = chance.randrange(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.add(port)
    return sorted(found, key=lambda _: chance.random())


def _stat(pid: int) -> tuple[int, str, int] | None:
    """A process's pid, state and parent."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return pid, state, int(parent)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    if not PROC.exists():
        return _takes_signals(pid)
    found = _stat(pid)
    return found is not None and found[1] not in "ZX"


def children(pid: int) -> list[int]:
    """The living processes whose parent it is; none where there is no /proc to tell."""
    entries = list(PROC.iterdir()) if PROC.exists() else []
    found = [_stat(int(entry.name)) for entry in entries if entry.name.isdigit()]
    return sorted(
        each[0] for each in found if each is not None and each[2] == pid and each[1] not in "ZX"
    )


def tree(pid: int) -> list[int]:
    """The processes below it, all generations."""
    below = children(pid)
    return below + [each for child in below for each in tree(child)]


def command(pid: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def _takes_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _end(pid: int) -> None:
    deadline = time.monotonic() + 10.0
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    if alive(pid):
        os.kill(pid, signal.SIGKILL)
