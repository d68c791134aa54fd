"""Fixtures of the journeys: real processes, ended and heard out whatever becomes of the test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from service.contract.postgres import Database
from tests.support.processes import SECRET_KEY, Processes, heard_out, url_of

Measured = Callable[[str, float], None]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Note a time, in seconds; no test passes or fails by it.

    JOURNEYS_REPORT names a file that gets a line of JSON for each.
    """

    def note(name: str, seconds: float) -> None:
        print(f"measured: {name} {seconds:.3f} s")
        if report := os.environ.get("JOURNEYS_REPORT"):
            line = {"test": request.node.name, "name": name, "seconds": round(seconds, 3)}
            with Path(report).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    return note


@pytest.fixture
def processes(tmp_path: Path, database: Database) -> Iterator[Processes]:
    """Processes on a migrated database of the test's own."""
    env = {"DATABASE_URL": url_of(database), "SECRET_KEY": SECRET_KEY}
    with heard_out(Processes(tmp_path, env)) as made:
        yield made


@pytest.fixture
def embedded_processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes on the embedded Postgres, in a DATA_DIR of the test's own, not made yet."""
    with heard_out(Processes(tmp_path, {})) as made:
        yield made


@pytest.fixture
def sql(database: Database) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the test's database."""
    with database.connect("everyclick-test") as connection:
        yield connection
