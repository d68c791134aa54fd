"""Upgrades from every schema that ever stood on main, with data: history/README.md."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from prometheus_client import CollectorRegistry

import migrations
from relay import runner
from relay.drain import drain
from relay.settings import RelaySettings
from relay.store.rollups import rollups_verify
from service.accounts import UserId
from service.app import create_app
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.lifespan import TOKENS
from service.sessions import begin
from service.settings import ServiceSettings
from tests.conftest import KEY
from tests.support.clones import Template

DUMPS = sorted((Path(__file__).parent / "history").glob("*.sql.gz"))

CATALOG = """
SELECT 'column', attrelid::regclass::text || '.' || attname, concat_ws(' ',
    format_type(atttypid, atttypmod), attnotnull, nullif(attidentity, ''), nullif(attgenerated, ''),
    pg_get_expr(adbin, adrelid), collname, col_description(attrelid, attnum))
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN pg_collation ON pg_collation.oid = attcollation
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
  AND NOT attisdropped
UNION ALL
-- NOT NULL is a column's; only some versions give it a name.
SELECT 'constraint', conrelid::regclass || '.' || conname,
       concat_ws(' ', pg_get_constraintdef(oid), convalidated)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT 'index', indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'function', oid::regprocedure::text, concat_ws(' ', pg_get_functiondef(oid), proacl)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'relation', oid::regclass::text,
       concat_ws(' ', relkind, relpersistence, pg_get_expr(relpartbound, oid))
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'label', enumtypid::regtype::text || '.' || enumlabel, enumsortorder::text FROM pg_enum
"""


def catalog(database: Database) -> dict[tuple[str, str], str]:
    """Everything that makes the schema, as the catalog describes it."""
    with database.connect() as connection:
        rows = connection.execute(CATALOG.encode()).fetchall()
    found = {(kind, name): definition for kind, name, definition in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def head(template: Template) -> dict[tuple[str, str], str]:
    """The schema of a new database, with the month that the dumps have."""
    with template.clone() as database:
        with database.connect() as connection:
            connection.execute("SELECT clicks_partition_make('2026-11-24 00:00+00')")
        return catalog(database)


@pytest.fixture(params=DUMPS, ids=[path.name.split(".")[0] for path in DUMPS])
def old(request: pytest.FixtureRequest, template: Template) -> Iterator[Database]:
    """A database as a commit of the past left it."""
    with template.empty() as database:
        with database.connect() as connection:
            connection.execute(gzip.decompress(request.param.read_bytes()))
        yield database


def test_the_schema_becomes_that_of_the_head(
    old: Database, head: dict[tuple[str, str], str]
) -> None:
    """Tables, constraints, indexes and functions are those of a database made today."""
    migrations.upgrade(old.connect)
    found = catalog(old)
    assert [] == sorted(found.items() ^ head.items())


async def test_clicks_go_through(
    old: Database, settings: ServiceSettings, observed: list[Observation]
) -> None:
    """What was counted still is, what waited is counted, and new clicks are."""
    migrations.upgrade(old.connect)
    app = create_app(settings, old, KEY, observed.append)
    async with TestClient(TestServer(app)) as client, await old.aconnect() as db:
        asked = {code: await client.get(f"/{code}", allow_redirects=False) for code in CODES}
        assert CODES == {code: answer.status for code, answer in asked.items()}
        assert "https://example.com/?q=1" == asked["live"].headers["Location"]
        await relay(db)
        assert (8, 8) == await statistics(client, app, db)
        assert [] == [each async for each in rollups_verify(db)]
        assert (8, 0, 1) == await counts(db)
        await db.execute(REPLAY)
        await relay(db)
        assert (9, 0, 0) == await counts(db)
    assert [] == [each for each in observed if "Unavailable" in type(each).__name__]


CODES = {"live": 302, "gone": 410, "off": 410, "none": 404}

REPLAY = """
INSERT INTO outbox (message_id, link_id, occurred_at)
SELECT message_id, link_id, occurred_at FROM dead_letters_chosen(
    NULL, 'KeyError', error_fingerprint('KeyError', 'no link 1'), 'live')
"""


async def relay(db: psycopg.AsyncConnection) -> None:
    """Move everything that waits."""
    settings = RelaySettings()
    mover = runner.mover(settings, runner.observer(settings, CollectorRegistry()))
    left = await drain(db, mover, wait=True)
    assert (0, 0) == (left.due, left.deferred)


async def statistics(
    client: TestClient[Request, Application], app: Application, db: psycopg.AsyncConnection
) -> tuple[int, int]:
    """What the owner is shown: the total, and the sum of the days."""
    session = await begin(db, app[TOKENS], UserId(2), datetime.now(UTC))
    headers = {"Authorization": f"Bearer {session.token}"}
    answer = await (await client.get("/stats/live", headers=headers)).json()
    return answer["total"], sum(day["clicks"] for day in answer["by_day"])


async def counts(db: psycopg.AsyncConnection) -> tuple[int, ...]:
    """Rows in clicks, outbox and dead_letters."""
    cursor = await db.execute(
        "SELECT (SELECT count(*) FROM clicks), (SELECT count(*) FROM outbox),"
        " (SELECT count(*) FROM dead_letters)"
    )
    row = await cursor.fetchone()
    assert row is not None
    return row
