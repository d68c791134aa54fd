"""The client programs of Postgres: pg_dump, pg_restore, createdb, psql."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from service.contract.embedded import binaries
from service.contract.postgres import Database


def client_programs(database: Database) -> Path:
    """The folder of the server's own version: a newer pg_dump restores settings it does not know."""
    with database.connect() as connection:
        server = connection.info.server_version // 10000
    places = [binaries.bin_dir()]
    if found := shutil.which("pg_dump"):
        places.append(Path(found).parent)
    for place in places:
        told = subprocess.run(
            [place / "pg_dump", "--version"], capture_output=True, text=True, check=False
        )
        if told.returncode == 0 and int(told.stdout.split()[2].split(".")[0]) == server:
            return place
    pytest.skip(f"no pg_dump of Postgres {server}")
