"""Which Postgres the suite runs on: one fixture, three back ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.contract.embedded import EmbeddedPostgres


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """Yield the conninfo of a superuser.

    TEST_DATABASE_URL names a running server; TEST_POSTGRES=container asks for a container of
    TEST_POSTGRES_IMAGE (postgres:18) when a Docker engine answers; else the embedded one, in
    `directory`.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
    elif os.environ.get("TEST_POSTGRES") == "container":
        from testcontainers.community.postgres import PostgresContainer

        image = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:18")
        with PostgresContainer(image, driver=None) as container:
            yield container.get_connection_url()
    else:
        with EmbeddedPostgres(directory / "data") as embedded:
            yield embedded.conninfo
