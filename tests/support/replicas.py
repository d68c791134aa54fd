"""A primary of a test's own, and a synchronous standby that can be silenced and promoted."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import migrations
from ops.chaos.cluster import Cluster, alone, standby_of
from tests.support.clusters import MEMORY
from tests.support.waiting import until

STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"


@contextmanager
def primary() -> Iterator[Cluster]:
    """Yield a migrated server of its own, in memory where there is some."""
    with tempfile.TemporaryDirectory(
        prefix="everyclick-tests-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None
    ) as place:
        Path(place).chmod(0o755)
        with alone(Path(place) / "primary") as made:
            migrations.upgrade(made.database.connect)
            yield made


@contextmanager
def standby(made: Cluster) -> Iterator[Cluster]:
    """Yield a standby that the primary's commits wait for, streaming."""
    directory = made.directory.parent / "standby"
    try:
        with standby_of(made, directory) as replica:
            with made.database.connect() as admin:

                def streaming() -> bool:
                    return admin.execute(STREAMING).fetchone() == (1,)

                until(streaming, "the standby streams")
            yield replica
    finally:
        shutil.rmtree(directory)
