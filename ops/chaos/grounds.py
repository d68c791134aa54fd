"""What a scenario stands on: the drill's one cluster, or something of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg import sql

import migrations
from ops.chaos.cluster import Cluster, alone, standby_of
from ops.chaos.errors import Missing
from ops.chaos.scenario import Scenario
from service.contract.postgres import Database
from tests.support.bouncer import PROGRAM, Bouncer
from tests.support.clones import Template


@dataclass
class Standing:
    """A cluster, a way to a migrated database in it, and what belongs to one ground alone."""

    cluster: Cluster
    database: Callable[[], AbstractContextManager[Database]]
    directory: Path | None = None
    """The small disk."""
    logs: Path | None = None
    """Where the processes' words go, on a small disk."""
    standby: Cluster | None = None
    bouncer: Bouncer | None = None

    def entrance(self, database: Database) -> Database:
        """Return the database as service and relay are to reach it."""
        return database if self.bouncer is None else self.bouncer.database


def shared(made: Cluster, template: Template) -> Standing:
    """Return the ground most scenarios stand on, one after another."""
    return Standing(made, template.clone)


@contextmanager
def ground(scenario: Scenario, common: Standing, directory: Path) -> Iterator[Standing]:
    """Yield what to stand on. Raises Missing when this machine has not what it needs."""
    kind = scenario.ground
    if kind == "shared":
        yield common
    elif kind == "small log":
        with _small_disk(directory, LOG) as logs:
            yield replace(common, logs=logs)
    elif kind == "pgbouncer":
        yield _pooled(common, directory)
    else:
        small = kind in {"small disk", "small tablespace"}
        place = _small_disk(directory, SMALL) if small else nullcontext()
        below = directory / "disk" if kind == "small disk" else directory
        with place as where, alone(below / "cluster", scenario.server) as made:
            migrations.upgrade(made.database.connect)
            own = Standing(made, lambda: nullcontext(made.database), directory=where)
            if kind == "small tablespace" and where is not None:
                _move_tables(made, where / "tables")
            if kind == "standby":
                with standby_of(made, directory / "standby") as standby:
                    yield replace(own, standby=standby)
            else:
                yield own


POOLED = 10
"""Connections that PgBouncer shares out, by transaction."""


def _pooled(common: Standing, directory: Path) -> Standing:
    """Put a PgBouncer before each database."""
    if PROGRAM is None:
        raise Missing("pgbouncer")
    directory.chmod(0o755)  # PgBouncer refuses root, and whom it runs as must read its settings
    made = replace(common)

    @contextmanager
    def database() -> Iterator[Database]:
        with common.database() as behind:
            made.bouncer = Bouncer(behind, directory, POOLED)
            made.bouncer.start()
            try:
                yield behind
            finally:
                made.bouncer.end()

    made.database = database
    return made


SMALL = "size=300m,mode=711"

LOG = "size=1m,mode=711"


@contextmanager
def _small_disk(directory: Path, options: str) -> Iterator[Path]:
    """Mount a small file system in memory; unmounted at the end."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise Missing("root and mount, for a disk small enough to be filled")
    disk = directory / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "everyclick-chaos", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"the right to mount a small disk: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def _move_tables(made: Cluster, space: Path) -> None:
    """Move every table and index to a tablespace of their own; the log of Postgres stays."""
    space.mkdir(mode=0o700)
    owner = (made.data / "postgres").stat()
    os.chown(space, owner.st_uid, owner.st_gid)
    with made.database.connect() as admin:
        where = sql.Literal(str(space))
        admin.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(where))
        admin.execute("ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small")
        admin.execute("ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small")
