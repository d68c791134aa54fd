"""The lock of the whole server that who has notified takes at commit: no redirect takes part in it.

The server waits for a standby that never answers, but only in the commits that ask for it: somebody
who has notified can be kept in the middle of one, the lock in hand, for as long as a test likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from service.app import create_app
from service.contract.embedded import EmbeddedPostgres
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.recorder import Limits
from service.settings import ServiceSettings
from tests.conftest import KEY
from tests.support.clones import Template
from tests.support.ledger import count, make_link, until

Client = TestClient[Request, Application]

NOTIFY = (
    "SELECT pg_notify('anybody', ''), pg_logical_emit_message(true, 'a commit to wait for', '')"
)

LOCK = """
SELECT split_part(application_name, '-', 2), granted
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND objid = 0 ORDER BY granted DESC
"""
"""Who has the lock and who waits for it; Postgres tells of it as an object, `database 0`."""

NOTIFYING = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_notify('anybody', ''); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION tell()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A migrated database on a server of its own, whose standby is not there."""
    with (
        EmbeddedPostgres(tmp_path / "data") as embedded,
        psycopg.connect(embedded.conninfo, autocommit=True) as admin,
    ):
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        admin.execute("ALTER SYSTEM SET synchronous_commit = 'local'")
    with (
        EmbeddedPostgres(tmp_path / "data") as embedded,
        Template.migrated(embedded.conninfo) as template,
        template.clone() as database,
    ):
        # Redirects are to wait for no standby: the service leaves synchronous_commit as it is.
        yield replace(database, durable=False)


@pytest.fixture
def app(settings: ServiceSettings, database: Database, observed: list[Observation]) -> Application:
    """The service, which gives no redirect up however slow the machine is."""
    return create_app(settings, database, KEY, observed.append, Limits(deadline=60.0))


async def involved(db: AsyncConnection) -> list[tuple[str, bool]]:
    """Who has the lock or waits for it, and whether they have it."""
    return await (await db.execute(LOCK)).fetchall()


async def redirected(client: Client) -> int:
    """The status of a redirect."""
    async with client.get("/hello", allow_redirects=False) as answer:
        return answer.status


@asynccontextmanager
async def amid_commit(db: AsyncConnection, database: Database) -> AsyncIterator[None]:
    """While inside, somebody who has notified is in the middle of their commit."""
    # Not one of ours, which would wait again after a cancelled wait.
    conninfo = make_conninfo(database.conninfo, application_name="everyclick-holder")
    async with await AsyncConnection.connect(conninfo, autocommit=True) as holder:
        await holder.execute("SET synchronous_commit = on")
        committing = asyncio.create_task(holder.execute(NOTIFY))

        async def holding() -> bool:
            return [("holder", True)] == await involved(db)

        try:
            await until(holding)
            yield
            assert not committing.done()
        finally:
            await db.execute("SELECT pg_cancel_backend(%s)", [holder.info.backend_pid])
            await committing


async def test_redirects_do_not_wait_for_it(
    db: AsyncConnection, database: Database, client: Client
) -> None:
    """While somebody has it, redirects are answered, one and many; who notifies too has to wait."""
    await make_link(db)
    async with await database.aconnect("everyclick-second") as second:
        async with amid_commit(db, database):
            assert 302 == await redirected(client)
            notifying = asyncio.create_task(second.execute(NOTIFY))

            async def waiting() -> bool:
                return [("holder", True), ("second", False)] == await involved(db)

            await until(waiting)
            assert [302] * 64 == await asyncio.gather(*(redirected(client) for _ in range(64)))
            assert await waiting()
        await notifying
    assert 65 == await count(db, "outbox")


async def test_they_would_if_they_notified(
    db: AsyncConnection, database: Database, client: Client
) -> None:
    """With a trigger on the outbox that notifies, a redirect stands still until the lock is free."""
    await make_link(db)
    await db.execute(NOTIFYING)
    async with amid_commit(db, database):
        redirect = asyncio.create_task(redirected(client))

        async def standing() -> bool:
            return [("holder", True), ("service", False)] == await involved(db)

        await until(standing)
        assert not redirect.done()
        assert 0 == await count(db, "outbox")
    assert 302 == await redirect
    assert 1 == await count(db, "outbox")
