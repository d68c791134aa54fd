"""A Postgres of the drill's own that dies in every way there is, and comes back when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from ops.chaos.errors import ChaosError
from service.contract.embedded import EmbeddedPostgres
from service.contract.embedded.binaries import bin_dir
from service.contract.embedded.processes import Processes
from service.contract.postgres import Database
from tests.support.clones import Template

Manner = Literal["immediate", "fast", "killed"]

_SIGNALS: dict[Manner, signal.Signals] = {
    "immediate": signal.SIGQUIT,
    "fast": signal.SIGINT,
    "killed": signal.SIGKILL,
}

GONE_WITHIN = 60.0

RELAY_ROLE = "everyclick_relay"
"""The relay's own role, so that what is set for it leaves the service alone."""


class Cluster:
    """The server below `directory`; no keeper starts it again behind the drill's back."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self._postgres = EmbeddedPostgres(self.data, say=lambda _: None)
        self._processes = Processes(self.data / "postgres")

    @property
    def conninfo(self) -> str:
        """Where it is, for a superuser."""
        return self._postgres.conninfo

    @property
    def database(self) -> Database:
        """Its own database, for what concerns the whole server."""
        return Database("url", self.conninfo, "", "")

    def start(self) -> None:
        """Bring it up; return when it accepts sessions."""
        self._postgres.start()

    def stop(self, manner: Manner) -> None:
        """End it; return when the last of its processes is gone. Raises ChaosError."""
        # What is left of a killed postmaster's children ends by itself.
        self._processes.signal(_SIGNALS[manner], postmaster_only=True)
        deadline = time.monotonic() + GONE_WITHIN
        while self._processes.pids():
            if time.monotonic() > deadline:
                raise ChaosError(f"Postgres, {manner}, has not ended in {GONE_WITHIN:g} s.")
            time.sleep(0.02)

    def kill(self, backend: int) -> None:
        """Kill -9 one of its processes. Raises ChaosError when it is not one of them."""
        if backend not in self._processes.pids():
            raise ChaosError(f"{backend} is not a process of this Postgres.")
        os.kill(backend, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop every process where it is, without a word to anyone."""
        self._processes.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._processes.signal(signal.SIGCONT)

    def cut_off(self) -> None:
        """Restart a frozen standby with what is on its disk and nothing that may still arrive.

        What its socket holds was never confirmed, and must not hide that something was lost.
        """
        self._processes.signal(signal.SIGKILL)
        self.stop("killed")
        with (self.data / "postgres" / "postgresql.auto.conf").open("a") as file:
            file.write("primary_conninfo = ''\nsynchronous_standby_names = ''\n")
        self.start()

    def promote(self) -> None:
        """Make a standby a primary."""
        with self.database.connect("everyclick-chaos") as admin:
            admin.execute("SELECT pg_promote(true, 30)")

    def wait_ready(self, within: float = GONE_WITHIN) -> None:
        """Wait until it accepts sessions. Raises ChaosError."""
        deadline = time.monotonic() + within
        while True:
            try:
                self.database.connect("everyclick-chaos").close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise ChaosError(f"Postgres is not back after {within:g} s: {error}") from error
                time.sleep(0.02)
            else:
                return

    def close(self) -> None:
        """End it for good."""
        self._postgres.stop()


@contextmanager
def alone(directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Make one below `directory`, the relay's role in it; stop it at the end.

    It is started a second time for settings, since some of them need that.
    """
    directory.mkdir(exist_ok=True)
    made = Cluster(directory)
    try:
        made.start()
        with made.database.connect("everyclick-chaos") as admin:
            admin.execute(f"CREATE ROLE {RELAY_ROLE} LOGIN SUPERUSER".encode())
            # Small enough for a small disk, and checkpoints come often.
            admin.execute("ALTER SYSTEM SET max_wal_size = '128MB'")
            admin.execute("ALTER SYSTEM SET min_wal_size = '32MB'")
            for name, value in (settings or {}).items():
                statement = sql.SQL("ALTER SYSTEM SET {} = {}")
                admin.execute(statement.format(sql.Identifier(name), sql.Literal(value)))
            admin.execute("SELECT pg_reload_conf()")
        if settings:
            made.stop("fast")
            made.start()
        yield made
    finally:
        made.close()


@contextmanager
def standby_of(primary: Cluster, directory: Path) -> Iterator[Cluster]:
    """Make a synchronous standby below `directory`: commits wait for both disks.

    At the end the primary's commits wait for nobody any more.
    """
    directory.mkdir()
    standby = Cluster(directory)
    standby.data.mkdir(mode=0o700)
    place = standby.data / "postgres"
    copy: list[str | Path] = [bin_dir() / "pg_basebackup", "-d", primary.conninfo, "-D", place]
    subprocess.run([*copy, "-R", "-X", "stream", "-c", "fast"], check=True, capture_output=True)
    if os.geteuid() == 0:
        owner = (primary.data / "postgres").stat()
        for path in (place, *place.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    try:
        standby.start()
        _wait_for_standbys(primary, "*")
        yield standby
    finally:
        with suppress(psycopg.OperationalError):  # a primary that is dead waits for nobody
            _wait_for_standbys(primary, "")
        standby.thaw()
        standby.close()


def _wait_for_standbys(primary: Cluster, names: str) -> None:
    with primary.database.connect("everyclick-chaos") as admin:
        admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'".encode())
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def cluster(directory: Path) -> Iterator[tuple[Cluster, Template]]:
    """Make one below `directory`, and a migrated template in it."""
    with alone(directory) as made, ExitStack() as stack:
        template = stack.enter_context(Template.migrated(made.conninfo))
        # Should a scenario have left the server down, the template could not be dropped.
        stack.callback(made.start)
        yield made, template
