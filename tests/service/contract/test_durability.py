"""What is acknowledged survives a crash, whatever became of the server's synchronous_commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
import pytest

from ops.chaos.cluster import Cluster
from service.contract.events import Click, new_message_id
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.recorder import Recorder
from service.store.links import link_create
from tests.support import replicas
from tests.support.bouncer import bounced
from tests.support.ledger import message_ids, until

BY_RELOAD = ("ALTER SYSTEM SET synchronous_commit = off",)
BY_ROLE = ("ALTER ROLE everyclick SET synchronous_commit = off",)

LATE = ("ALTER SYSTEM SET wal_writer_delay = '10s'", "ALTER SYSTEM SET autovacuum = off")
"""What is written to the log without a flush stays in memory for long."""


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A migrated server of the module's own, which is killed again and again."""
    with replicas.primary() as made:
        with made.database.connect() as admin:
            admin.execute(
                "INSERT INTO links (code, target) VALUES ('hello', 'https://example.com/')"
            )
            for statement in LATE:
                admin.execute(statement.encode())
            admin.execute("SELECT pg_reload_conf()")
        yield made


@pytest.fixture
def server_as_it_was(server: Cluster) -> Iterator[Cluster]:
    """The server, its synchronous_commit on again at the end."""
    yield server
    with server.database.connect() as admin:
        admin.execute("ALTER SYSTEM RESET synchronous_commit")
        admin.execute("ALTER ROLE everyclick RESET synchronous_commit")
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def reached(server: Cluster, *, pooled: bool) -> Iterator[Database]:
    """Yield the database, through PgBouncer if asked for."""
    if pooled:
        with bounced(server.database) as bouncer:
            yield bouncer.database
    else:
        yield server.database


@asynccontextmanager
async def recording(database: Database) -> AsyncIterator[Recorder]:
    """Yield a recorder with one lane."""

    async def vet(_: psycopg.AsyncConnection) -> None:
        """Every connection is good."""

    observed: list[Observation] = []
    recorder = Recorder(database, observed.append, vet)
    try:
        yield recorder
    finally:
        await recorder.close()


async def turned_off(server: Cluster, statements: tuple[str, ...]) -> None:
    """Turn synchronous_commit off, for sessions that are open too where a reload does that."""
    with server.database.connect() as admin:
        for statement in statements:
            admin.execute(statement.encode())
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("CHECKPOINT")  # all that was written so far is on disk
    async with await server.database.aconnect() as connection:
        # The server tells its processes of a reload one after another.
        await until(lambda: _is_off(connection))


async def _is_off(connection: psycopg.AsyncConnection) -> bool:
    cursor = await connection.execute(
        "SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'"
    )
    return await cursor.fetchone() == ("off",)


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
@pytest.mark.parametrize("statements", [BY_RELOAD, BY_ROLE], ids=["reload", "role"])
async def test_no_click_is_lost_in_a_crash(
    server_as_it_was: Cluster, statements: tuple[str, ...], *, pooled: bool
) -> None:
    """Clicks that were acknowledged after synchronous_commit was turned off are there."""
    server = server_as_it_was
    sent = [Click(new_message_id(), None, None) for _ in range(6)]
    with reached(server, pooled=pooled) as database:
        async with recording(database) as before, recording(database) as later:
            await before.record("hello", sent[0])
            await turned_off(server, statements)
            for recorder, click in zip([before, later] * 3, sent[1:], strict=False):
                await recorder.record("hello", click)
            await asyncio.to_thread(server.stop, "killed")
    await asyncio.to_thread(server.start)
    async with await server.database.aconnect() as db:
        held = await message_ids(db, "outbox")
    assert 0 == len({click.message_id for click in sent} - held)


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
@pytest.mark.parametrize("statements", [BY_RELOAD, BY_ROLE], ids=["reload", "role"])
async def test_no_link_is_lost_in_a_crash(
    server_as_it_was: Cluster, statements: tuple[str, ...], *, pooled: bool
) -> None:
    """The same for what the API writes in its transactions."""
    server = server_as_it_was
    codes = [f"made-{statements is BY_ROLE:d}{pooled:d}{number}" for number in range(4)]
    with reached(server, pooled=pooled) as database:
        async with await database.aconnect() as before:
            await turned_off(server, statements)
            async with await database.aconnect() as later:
                for connection, code in zip([before, later] * 2, codes, strict=True):
                    async with connection.transaction():
                        await link_create(connection, code, "https://example.com/", None)
                await asyncio.to_thread(server.stop, "killed")
    await asyncio.to_thread(server.start)
    async with await server.database.aconnect() as db:
        cursor = await db.execute("SELECT code FROM links")
        found = {code for (code,) in await cursor.fetchall()}
    assert 0 == len(set(codes) - found)
