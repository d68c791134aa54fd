"""The server: the `postgres` processes of one cluster, whoever started them.

Three independent signs, none of them a pid:

* the *server lock* (`DATA_DIR/server`) is a file lock postgres and all its children inherit, so it
  is free exactly when the last of them is gone;
* a connect() to the socket succeeds exactly when a postmaster listens;
* libpq's ping tells one that accepts sessions from one that still recovers.
"""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from service.contract.embedded import binaries, locks
from service.contract.embedded.account import Account, account_for
from service.contract.embedded.cluster import DATABASE, USER, Cluster, data_argument
from service.contract.embedded.errors import EmbeddedPostgresError
from service.contract.embedded.locks import Say
from service.contract.embedded.processes import Processes
from service.contract.embedded.runtime import SOCKET, RuntimeDir

# Seconds.
LISTEN_WITHIN = 30.0
ORPHANS_QUIT_AFTER = 5.0
ORPHANS_KILL_AFTER = 15.0
ORPHANS_GONE_WITHIN = 30.0
FAST_STOP_WITHIN = 60.0  # the checkpoint of a busy server on a slow disk
QUICK_STOP_WITHIN = 10.0

LOG_LIMIT = 10 * 1024 * 1024  # bytes; beyond it a start begins a new log and keeps one old

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    # No DETAIL lines: they quote the values of rows.
    "log_error_verbosity": "terse",
}


class Server:
    """Starts and stops the server of `data_dir`; except where noted, call under the mutex."""

    def __init__(self, data_dir: Path, say: Say) -> None:
        self._cluster = Cluster(data_dir / "postgres")
        self._processes = Processes(self._cluster.path)
        self._lock = data_dir / "server"
        self._log = data_dir / "postgres.log"
        self._runtime = RuntimeDir(data_dir / "socket")
        self._say = say
        self._socket_dir: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def conninfo(self) -> str:
        """libpq keywords; raises before a server was found or launched. Safe at any time."""
        if self._socket_dir is None:
            raise EmbeddedPostgresError("The embedded Postgres has not been started.")
        return make_conninfo(host=str(self._socket_dir), port=5432, user=USER, dbname=DATABASE)

    def is_gone(self) -> bool:
        """Whether no process of this server is left. Cheap; safe at any time."""
        fd = locks.open_private(self._lock)
        try:
            return locks.share(fd)
        finally:
            os.close(fd)

    def is_listening(self) -> bool:
        """Whether a postmaster answers where the record says. Safe at any time."""
        runtime = self._runtime.find(account_for(self._cluster.path))
        if runtime is None:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            try:
                probe.connect(str(runtime / "socket" / SOCKET))
            except (BlockingIOError, TimeoutError):
                pass  # its queue is full: overloaded, not dead
            except OSError:
                return False
        self._socket_dir = runtime / "socket"
        return True

    def launch(self) -> bool:
        """Start a server, wait until it listens; False if another lives or this one was killed."""
        account = account_for(self._cluster.path)
        lock = locks.open_private(self._lock)
        try:
            if not self._claim(lock):
                return False
            runtime = self._runtime.find_or_make(account)
            programs = binaries.bin_dir()
            if account.dropped and not binaries.can_run(account, programs):
                programs = binaries.copy_for(account, programs, runtime / "install")
            if not self._cluster.exists():
                self._say(f"making a Postgres cluster in {self._cluster.path}…")
                self._cluster.make(account, programs, lock)
            self._forget_the_dead(runtime)
            self._socket_dir = runtime / "socket"
            self._spawn(account, programs, lock)
        finally:
            os.close(lock)  # the child's copy keeps the lock
        deadline = time.monotonic() + LISTEN_WITHIN
        while not self.is_listening():
            self._raise_if_child_failed()
            if self._child is None or self._child.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"Postgres does not listen.\n{self._log_tail()}")
            time.sleep(0.01)
        return True

    def wait_ready(self, abandon: threading.Event) -> bool:
        """Wait until sessions are accepted, however long recovery takes.

        False if the server died, or `abandon` was set.

        Call without the mutex, so that others can join and leave during a long recovery.
        """
        began = told = time.monotonic()
        answered = began
        while not abandon.is_set():
            answer = pq.PGconn.ping(f"{self.conninfo} connect_timeout=2".encode())
            now = time.monotonic()
            if answer == pq.Ping.OK:
                return True
            if answer == pq.Ping.REJECT:
                answered = now
                if now - told > (1 if told == began else 5):
                    told = now
                    self._say(f"Postgres is recovering… ({now - began:.0f} s)")
            else:
                self._raise_if_child_failed()
                if not self.is_listening():
                    return False
                if now - answered > LISTEN_WITHIN:
                    raise EmbeddedPostgresError(f"Postgres hangs.\n{self._log_tail()}")
            abandon.wait(0.02)
        return False

    def stop(self) -> None:
        """Stop the server, whoever started it, wait for its end, remove its runtime directory."""
        lock = locks.open_private(self._lock)
        try:
            steps = (
                (signal.SIGINT, FAST_STOP_WITHIN),
                (signal.SIGQUIT, QUICK_STOP_WITHIN),
                (signal.SIGKILL, QUICK_STOP_WITHIN),
            )
            for number, within in steps:
                if self._wait_gone(lock, 0):
                    break
                # With the postmaster dead there is nobody to ask; its orphans get the next signal.
                asked = self._processes.signal(number, postmaster_only=number == signal.SIGINT)
                if self._wait_gone(lock, within if asked else 1):
                    break
            else:
                raise EmbeddedPostgresError(
                    f"Postgres in {self._cluster.path} does not stop (processes "
                    f"{self._processes.pids() or 'not visible from here'})."
                )
        finally:
            os.close(lock)
        if self._child is not None:
            self._child.wait()
        self._runtime.remove()

    def _spawn(self, account: Account, programs: Path, lock: int) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT:
            self._log.replace(self._log.with_name(self._log.name + ".1"))
        settings = {**SETTINGS, "unix_socket_directories": str(self._socket_dir)}
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        log_fd = locks.open_private(self._log, os.O_WRONLY | os.O_APPEND)
        # systemd's cleaner of /tmp leaves alone what is locked; postgres holds this while it lives.
        swept = os.open(self._socket_dir or "", os.O_RDONLY | os.O_DIRECTORY)
        try:
            locks.share(swept)
            with os.fdopen(log_fd, "wb") as log, data_argument(self._cluster.path, account) as data:
                directory, fds = data
                self._log_start = os.fstat(log_fd).st_size
                child = account.spawn(
                    [programs / "postgres", "-D", directory, *options],
                    pass_fds=(*fds, lock, swept),
                    output=log,
                )
        finally:
            os.close(swept)
        self._child = child
        threading.Thread(target=child.wait, name="postgres-reaper", daemon=True).start()

    def _claim(self, lock: int) -> bool:
        """Get the server lock, that is wait until every process of a dead server is gone.

        After a kill -9 of the postmaster its backends end by themselves within milliseconds,
        but one busy in a query does not look up. Nor does a postmaster know that its socket
        was deleted. Both are ended: what was committed is in the log.
        False: the server lives after all.
        """
        began = time.monotonic()
        steps: list[tuple[float, Callable[[], object]]] = [
            (1, lambda: self._say("waiting for the last processes of a dead Postgres to end…")),
            (ORPHANS_QUIT_AFTER, lambda: self._processes.signal(signal.SIGQUIT)),
            (ORPHANS_KILL_AFTER, lambda: self._processes.signal(signal.SIGKILL)),
        ]
        while not locks.own(lock):
            if self.is_listening():
                return False
            waited = time.monotonic() - began
            if steps and waited > steps[0][0]:
                steps.pop(0)[1]()
            if waited > ORPHANS_GONE_WITHIN:
                raise EmbeddedPostgresError(
                    f"Processes of an earlier Postgres still hold {self._cluster.path}: "
                    f"{self._processes.pids() or 'not visible from here, maybe in a container'}. "
                    "End them, then start again."
                )
            time.sleep(0.02)
        return True

    def _forget_the_dead(self, runtime: Path) -> None:
        """Remove the lock files of a dead server whose pid now is some other program's.

        Postgres sees through stale files itself except in that case. We hold the server lock, so no
        server of ours uses them; one started by hand shows among the processes and is left alone.
        """
        for name in (SOCKET, SOCKET + ".lock"):
            (runtime / "socket" / name).unlink(missing_ok=True)
        if self._processes.are_visible() and not self._processes.pids():
            (self._cluster.path / "postmaster.pid").unlink(missing_ok=True)

    @staticmethod
    def _wait_gone(lock: int, within: float) -> bool:
        deadline = time.monotonic() + within
        while not locks.own(lock):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def _raise_if_child_failed(self) -> None:
        """Raise if the server we launched gave up by itself; a killed one deserves another."""
        status = None if self._child is None else self._child.poll()
        if status is not None and status > 0:
            self._child = None  # told once; the next server may be somebody else's
            raise EmbeddedPostgresError(f"Postgres ended: status {status}.\n{self._log_tail()}")

    def _log_tail(self) -> str:
        """The last lines the newest server wrote, under a heading that says where the rest is."""
        try:
            with self._log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - 4096))
                lines = log.read().decode("utf-8", "replace").splitlines()[-10:]
        except OSError:
            lines = []
        return "\n".join([f"The end of {self._log}:", *lines])
