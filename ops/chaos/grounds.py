"""What a scenario stands on: the drill's one cluster, or something of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

import migrations
from ops import smoke
from ops.chaos.cluster import Cluster, alone
from ops.chaos.errors import Missing
from ops.chaos.scenario import Ground
from service.contract.embedded.account import account_for
from service.contract.embedded.binaries import bin_dir
from service.contract.postgres import Database
from tests.support.clones import Template


@dataclass
class Standing:
    """A cluster, a way to a migrated database in it, and what belongs to one ground alone."""

    cluster: Cluster
    database: Callable[[], AbstractContextManager[Database]]
    directory: Path | None = None
    """The small disk."""
    standby: Cluster | None = None
    bouncer: Bouncer | None = None

    def entrance(self, database: Database) -> Database:
        """Return the database as service and relay are to reach it."""
        return database if self.bouncer is None else self.bouncer.entrance(database)


def shared(made: Cluster, template: Template) -> Standing:
    """Return the ground most scenarios stand on, one after another."""
    return Standing(made, template.clone)


@contextmanager
def ground(kind: Ground, common: Standing, directory: Path) -> Iterator[Standing]:
    """Yield what to stand on. Raises Missing when this machine has not what it needs."""
    if kind == "shared":
        yield common
    elif kind == "pgbouncer":
        bouncer = Bouncer(common.cluster, directory)
        try:
            bouncer.start()
            yield replace(common, bouncer=bouncer)
        finally:
            bouncer.stop()
    else:
        place = _small_disk if kind == "small disk" else nullcontext
        with place(directory) as where, alone((where or directory) / "cluster") as made:
            migrations.upgrade(made.database.connect)
            own = Standing(made, lambda: nullcontext(made.database), directory=where)
            if kind == "standby":
                with _standby(made, directory / "standby") as standby:
                    yield replace(own, standby=standby)
            else:
                yield own


SMALL = "size=300m,mode=711"


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    """Mount a small file system in memory; unmounted at the end."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise Missing("root and mount, for a disk small enough to be filled")
    disk = directory / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", SMALL, "everyclick-chaos", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"the right to mount a small disk: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


@contextmanager
def _standby(primary: Cluster, directory: Path) -> Iterator[Cluster]:
    """Make a synchronous standby: what is acknowledged is on both disks."""
    directory.mkdir()
    data = directory / "data"
    data.mkdir(mode=0o700)
    copy: list[str | Path] = [
        bin_dir() / "pg_basebackup",
        "-d",
        primary.conninfo,
        "-D",
        data / "postgres",
    ]
    copy += ["-R", "-X", "stream", "-c", "fast"]
    subprocess.run(copy, check=True, capture_output=True)
    owner = (primary.data / "postgres").stat()
    if os.geteuid() == 0:
        for path in (data / "postgres", *(data / "postgres").rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    standby = Cluster(directory)
    try:
        standby.start()
        with primary.database.connect() as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")
        yield standby
    finally:
        standby.close()


class Bouncer:
    """A PgBouncer in front of the cluster, pooling by session."""

    def __init__(self, behind: Cluster, directory: Path) -> None:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if program is None:
            raise Missing("pgbouncer")
        self._program = program
        self._behind = behind
        self._account = account_for(behind.data / "postgres")
        self._log = directory / "pgbouncer.log"
        self._config = directory / "pgbouncer.ini"
        self.port = smoke.free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    def entrance(self, database: Database) -> Database:
        """Return the database as it is reached through it."""
        conninfo = make_conninfo(
            database.conninfo, host="127.0.0.1", port=self.port, sslmode="disable"
        )
        return replace(database, conninfo=conninfo)

    def start(self) -> None:
        """Start it; nothing when it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        given = conninfo_to_dict(self._behind.conninfo)
        self._config.write_text(
            f"[databases]\n* = host={given['host']} port={given['port']} user={given['user']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
            "unix_socket_dir =\nauth_type = any\npool_mode = session\nmax_client_conn = 200\n"
            "default_pool_size = 50\nserver_login_retry = 1\n"
            "ignore_startup_parameters = extra_float_digits,options\n"
        )
        self._config.parent.chmod(0o711)
        self._config.chmod(0o644)
        with self._log.open("ab") as log:
            argv: list[str | Path] = [self._program, self._config]
            self._process = self._account.spawn(argv, pass_fds=(), output=log)

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it for good."""
        self.kill()
