"""Which Postgres the suite runs on: one fixture, three back ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from service.contract.embedded import EmbeddedPostgres

MEMORY = Path("/dev/shm")

ROOM = 4 * 2**30
"""Bytes free there from which on a suite's databases and their WAL may take it."""


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """Yield the conninfo of a superuser.

    TEST_DATABASE_URL names a running server; TEST_POSTGRES=container asks for a container of
    TEST_POSTGRES_IMAGE (postgres:18) when a Docker engine answers; else the embedded one, in
    memory or in `directory`.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
    elif os.environ.get("TEST_POSTGRES") == "container":
        from testcontainers.community.postgres import PostgresContainer

        image = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:18")
        with PostgresContainer(image, driver=None) as container:
            yield container.get_connection_url()
    else:
        with _fastest(directory) as place, EmbeddedPostgres(Path(place) / "data") as embedded:
            yield embedded.conninfo


def _fastest(directory: Path) -> AbstractContextManager[str]:
    """In memory where there is plenty: a clone then costs 0.02 s rather than 0.1 to 0.2 s."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        return tempfile.TemporaryDirectory(prefix="everyclick-tests-", dir=MEMORY)
    return nullcontext(str(directory))
