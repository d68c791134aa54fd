"""Writes migrations/schema.sql: what the migrations add up to, as pg_dump tells it.

python -m ops.schema
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import migrations
from service.contract.embedded import EmbeddedPostgres
from service.contract.postgres import Database

SCHEMA = Path(migrations.__file__).with_name("schema.sql")


def dump(bin_dir: Path, conninfo: str) -> str:
    """Return the schema of a database, without what differs between versions of Postgres."""
    told = subprocess.run(
        [bin_dir / "pg_dump", "--schema-only", "--no-owner", "--no-privileges", conninfo],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # Comments and session settings name versions; \restrict carries a random key.
    kept = [
        line
        for line in told.splitlines()
        if not re.match(r"(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict)", line)
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def main() -> None:
    """Migrate an empty database and write down what it has become."""
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory) / "data") as embedded,
    ):
        database = Database("embedded", embedded.conninfo, "", "")
        migrations.upgrade(database.connect)
        SCHEMA.write_text(dump(embedded.bin_dir, embedded.conninfo))


if __name__ == "__main__":
    main()
