"""An upgrade: the next release beside this one, on one database, while people click."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psycopg
import pytest

import migrations
from service.contract.fitness import SCHEMA_HEAD
from service.contract.postgres import Database
from tests.support.http import fetch
from tests.support.ledger import terminate
from tests.support.processes import REPOSITORY, Process, Processes
from tests.support.traffic import count, drained, make_link, value
from tests.support.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow]

NEXT = f"{int(SCHEMA_HEAD) + 1:04}"

ADDITIVE = f'''
"""What the next release adds, in every table that a click passes through."""
from alembic import op
revision = "{NEXT}"
down_revision = "{SCHEMA_HEAD}"
branch_labels = None
depends_on = None
def upgrade():
    op.get_bind().connection.cursor().execute("""
        ALTER TABLE links ADD COLUMN note text;
        ALTER TABLE outbox ADD COLUMN country text NOT NULL DEFAULT 'none';
        ALTER TABLE clicks ADD COLUMN country text NOT NULL DEFAULT 'none';
        ALTER TABLE clicks_hourly ADD COLUMN bots bigint NOT NULL DEFAULT 0;
        ALTER TABLE dead_letters ADD COLUMN severity text;
        CREATE INDEX outbox_country ON outbox (country);
        CREATE TABLE visitors (id bigint PRIMARY KEY);
    """)
'''


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """A copy of the code with one more revision, additive, and written for it."""
    tree = tmp_path / "next"
    for package in ("service", "relay", "migrations"):
        shutil.copytree(
            REPOSITORY / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    (tree / "migrations/versions" / f"{NEXT}_pre_more.py").write_text(ADDITIVE)
    fitness = tree / "service/contract/fitness.py"
    old, new = f'SCHEMA_HEAD = "{SCHEMA_HEAD}"', f'SCHEMA_HEAD = "{NEXT}"'
    assert 1 == fitness.read_text().count(old)
    fitness.write_text(fitness.read_text().replace(old, new))
    return tree


@contextmanager
def clicking(services: list[Process]) -> Iterator[list[int]]:
    """Click on one service after another without a pause; yields the answers so far."""
    answers: list[int] = []
    stop = Event()

    def click() -> None:
        while not stop.is_set():
            answers.extend(fetch(f"{service.url}/both").status for service in list(services))

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(click)
        try:
            yield answers
        finally:
            stop.set()
            running.result()


def more(answers: list[int]) -> Callable[[], bool]:
    """Whether a dozen answers have come since now."""
    enough = len(answers) + 12
    return lambda: len(answers) >= enough


def test_side_by_side(
    processes: Processes, database: Database, sql: psycopg.Connection, next_release: Path
) -> None:
    """The old go on after a `pre` revision, the new refuse before it; no click fails or is lost."""

    def begin(*argv: str) -> Process:
        env = {"PYTHONPATH": str(next_release), "PORT": "0"}
        return processes.start_program([sys.executable, "-m", *argv], cwd=next_release, env=env)

    make_link(sql, "both")
    old, old_relay = processes.service(), processes.relay()
    serving = [old]
    with clicking(serving) as answers:
        until(more(answers), "clicks")
        for argv in (("service",), ("relay",)):
            early = begin(*argv)
            assert 78 == early.wait().code
            assert "Run: python -m service migrate" in early.stderr
        assert 0 == begin("service", "migrate").wait().code
        assert NEXT == migrations.current(database.connect)
        until(more(answers), "clicks by the old with the new schema")
        # What is connected anew meanwhile is connected by code that is older than the schema.
        new = begin("service")
        new.ready(lambda: new.logged("database_ready"), "the new service")
        new_relay = begin("relay")
        new_relay.ready(lambda: new_relay.logged("database_ready"), "the new relay")
        serving.append(new)
        until(more(answers), "clicks by both")
        for argv in (("service",), ("relay",)):
            late = processes.start(*argv, env={"PORT": "0"})
            assert 78 == late.wait().code
            assert "deploy the newer release" in late.stderr
        serving.remove(old)
        until(more(answers), "clicks by the new")
    assert {302} == set(answers)
    drained(sql)
    assert (
        len(answers) == count(sql, "clicks") == value(sql, "SELECT sum(clicks) FROM clicks_hourly")
    )
    for process in (old, old_relay, new, new_relay):
        assert 0 == process.stop().code


def test_the_old_are_cut_off(
    processes: Processes, database: Database, sql: psycopg.Connection, next_release: Path
) -> None:
    """Old processes that lose their connections after a `pre` revision connect again and go on."""
    make_link(sql, "both")
    old, old_relay = processes.service(), processes.relay()
    assert 302 == fetch(f"{old.url}/both").status
    env = {"PYTHONPATH": str(next_release)}
    migrate = [sys.executable, "-m", "service", "migrate"]
    assert 0 == processes.start_program(migrate, cwd=next_release, env=env).wait().code
    terminate(database.conninfo)
    with database.connect() as again:
        old_relay.ready(lambda: len(old_relay.logged("database_ready")) == 2, "ready again")
        until(lambda: fetch(f"{old.url}/both").status == 302, "redirects again")
        assert 200 == fetch(f"{old.url}/readyz").status
        drained(again)
        assert 2 <= count(again, "clicks")
    assert [0, 0] == [old.stop().code, old_relay.stop().code]
