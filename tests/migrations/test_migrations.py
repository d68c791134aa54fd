"""The schema's history."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import SQLAlchemyError

import migrations
from ops.schema import SCHEMA, dump
from service.contract.embedded import binaries
from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.ledger import held
from tests.support.processes import REPOSITORY, url_of
from tests.support.waiting import until

VERSIONS = sorted((Path(migrations.__file__).parent / "versions").glob("*.py"))

OBJECTS = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
"""


def objects(database: Database) -> set[str]:
    """Everything in the database that is not Postgres's own."""
    with database.connect() as connection:
        return {name for (name,) in connection.execute(OBJECTS).fetchall()}


ONLY_ALEMBIC = {"alembic_version", "_alembic_version", "alembic_version_pkc"}


def test_names_say_when_to_run() -> None:
    """A revision's file is named NNNN_pre_* or NNNN_post_*, numbered without a gap."""
    for number, path in enumerate(VERSIONS, start=1):
        assert re.fullmatch(rf"{number:04}_(pre|post)_[a-z0-9_]+", path.stem), path.name
        assert f'revision = "{number:04}"' in path.read_text()
    assert f"{len(VERSIONS):04}" == migrations.head()


def test_up_down_up(template: Template) -> None:
    """From empty up, down to nothing but Alembic's own table, and up again to the same schema."""
    with template.empty() as database:
        assert None is migrations.current(database.connect)
        migrations.upgrade(database.connect)
        assert migrations.head() == migrations.current(database.connect)
        made = objects(database)
        assert {"links", "outbox", "clicks", "clicks_hourly", "dead_letters", "pgqueuer"} <= made
        migrations.downgrade(database.connect, "base")
        assert ONLY_ALEMBIC == objects(database)
        assert None is migrations.current(database.connect)
        migrations.upgrade(database.connect)
        assert made == objects(database)


def test_down_with_data(template: Template) -> None:
    """Months of clicks and rows in every table do not keep a downgrade from ending."""
    with template.empty() as database:
        migrations.upgrade(database.connect)
        with database.connect() as connection:
            connection.execute("SELECT clicks_partition_make(now())")
            connection.execute("INSERT INTO links (code, target) VALUES ('a', 'https://a/')")
            connection.execute(
                "INSERT INTO clicks (message_id, link_id, occurred_at)"
                " VALUES (gen_random_uuid(), 1, now())"
            )
        migrations.downgrade(database.connect, "base")
        assert ONLY_ALEMBIC == objects(database)


@pytest.mark.parametrize("revision", [path.stem[:4] for path in VERSIONS])
def test_each_step_goes_both_ways(template: Template, revision: str) -> None:
    """One revision up and down again leaves what was there before."""
    below = f"{int(revision) - 1:04}" if int(revision) > 1 else "base"
    with template.empty() as database:
        if below != "base":
            migrations.upgrade(database.connect, below)
        before = objects(database)
        migrations.upgrade(database.connect, revision)
        assert revision == migrations.current(database.connect)
        migrations.downgrade(database.connect, below)
        assert before | ONLY_ALEMBIC == objects(database)


def test_again_changes_nothing(database: Database) -> None:
    """Upgrading a database that is at the newest revision is no work."""
    before = objects(database)
    migrations.upgrade(database.connect)
    assert before == objects(database)


def test_the_written_schema_is_the_real_one(database: Database) -> None:
    """migrations/schema.sql is what the migrations add up to; `make schema` writes it anew."""
    with database.connect() as connection:
        if connection.info.server_version // 10000 != 18:
            pytest.skip("before 18 Postgres does not name NOT NULL constraints: pg_dump differs")
    assert SCHEMA.read_text() == dump(binaries.bin_dir(), database.conninfo)


@pytest.mark.process
def test_two_at_once(template: Template) -> None:
    """Of two upgrades at the same time one waits for the other; both succeed."""
    program = (
        "import sys, migrations, psycopg\n"
        "migrations.upgrade(lambda: psycopg.connect(sys.argv[1], autocommit=True))"
    )
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with template.empty() as database:
        # Hold what an upgrade holds until both are there.
        with held(database.conninfo, "SELECT pg_advisory_xact_lock(7204316011)") as holder:
            both = [
                subprocess.Popen(
                    [sys.executable, "-c", program, url_of(database)],
                    cwd=REPOSITORY,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for _ in range(2)
            ]
            until(lambda: holder.execute(waiting.encode()).fetchone() == (2,), "both wait")
        said = [each.communicate()[1] for each in both]
        assert [0, 0] == [each.returncode for each in both], said
        assert migrations.head() == migrations.current(database.connect)


BROKEN = """
from alembic import op
revision = "{number}"
down_revision = "{below}"
branch_labels = None
depends_on = None
def upgrade():
    op.get_bind().connection.cursor().execute("CREATE TABLE half_way (n int)")
    op.get_bind().connection.cursor().execute("SELECT 1 / 0")
"""


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrations as they are, and one more that fails in its middle."""
    copy = tmp_path / "migrations"
    shutil.copytree(
        Path(migrations.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    number = f"{len(VERSIONS) + 1:04}"
    (copy / "versions" / f"{number}_pre_broken.py").write_text(
        BROKEN.format(number=number, below=migrations.head())
    )
    monkeypatch.setattr(migrations, "__file__", str(copy / "__init__.py"))


def test_all_or_nothing(template: Template, broken: None) -> None:
    """When the last of several revisions fails, none of them has happened."""
    with template.empty() as database:
        with pytest.raises((SQLAlchemyError, psycopg.Error), match="division by zero"):
            migrations.upgrade(database.connect)
        assert set() == objects(database)


def test_a_failure_leaves_the_old_schema(database: Database, broken: None) -> None:
    """A revision that fails on a database in use leaves it at the revision it was at."""
    before = objects(database)
    at = migrations.current(database.connect)
    with pytest.raises((SQLAlchemyError, psycopg.Error), match="division by zero"):
        migrations.upgrade(database.connect)
    assert before == objects(database)
    assert at == migrations.current(database.connect)


def test_frozen_sql_takes_no_parameters() -> None:
    """Revisions are frozen text: they neither format nor import what may change later."""
    for path in VERSIONS:
        imported = re.findall(r"^(?:from|import) (\S+)", path.read_text(), re.MULTILINE)
        assert ["alembic"] == imported, path.name
