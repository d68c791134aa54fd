"""The way to Postgres that can be broken breaks as it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import psycopg
import pytest

from service.contract.postgres import Database
from tests.support.link import Toxics
from tests.support.proxy import Proxy, proxied

INSERT = "INSERT INTO links (code, target) VALUES (%s, 'https://example.com/')"


@pytest.fixture
async def way(database: Database) -> AsyncIterator[tuple[Proxy, Database]]:
    """A proxy, and the database behind it."""
    async with proxied(database) as (proxy, behind):
        yield proxy, behind


async def codes(database: Database) -> set[str]:
    """The links there are."""
    async with await database.aconnect() as direct:
        cursor = await direct.execute("SELECT code FROM links")
        return {code for (code,) in await cursor.fetchall()}


@pytest.mark.parametrize("prepare", [False, True])
async def test_a_commit_is_made_and_its_answer_lost(
    database: Database, way: tuple[Proxy, Database], prepare: bool
) -> None:
    """The row is there, the client got an error; statements before and after are left alone."""
    proxy, behind = way
    async with await behind.aconnect() as connection:
        await connection.execute("SELECT 1")
        await connection.execute(INSERT, ["before"], prepare=prepare)
        proxy.lose_commit = lambda: True
        await connection.execute("SELECT 'not a write'")
        with pytest.raises(psycopg.OperationalError):
            await connection.execute(INSERT, ["cut"], prepare=prepare)
    assert 1 == proxy.lost_commits
    assert {"before", "cut"} == await codes(database)


async def test_a_commit_of_several_statements_is_one(
    database: Database, way: tuple[Proxy, Database]
) -> None:
    """Within BEGIN … COMMIT only the answer to COMMIT is lost."""
    proxy, behind = way
    proxy.lose_commit = lambda: True
    async with await behind.aconnect() as connection:
        transaction = connection.transaction()
        await transaction.__aenter__()
        await connection.execute(INSERT, ["one"])
        await connection.execute(INSERT, ["two"])
        assert 0 == proxy.lost_commits
        with pytest.raises(psycopg.OperationalError):
            await transaction.__aexit__(None, None, None)
    assert 1 == proxy.lost_commits
    assert {"one", "two"} == await codes(database)


async def test_a_refused_write_is_no_commit(
    database: Database, way: tuple[Proxy, Database]
) -> None:
    """An error is answered as it is, and what is kept is answered too."""
    proxy, behind = way
    proxy.lose_commit = lambda: True
    async with await behind.aconnect() as connection:
        with pytest.raises(psycopg.errors.CheckViolation):
            await connection.execute(INSERT, ["not a code"])
        proxy.lose_commit = lambda: False
        await connection.execute(INSERT, ["kept"])
    assert (0, {"kept"}) == (proxy.lost_commits, await codes(database))


async def test_a_reset_ends_connections(way: tuple[Proxy, Database]) -> None:
    """A share of them; new ones are well."""
    proxy, behind = way
    async with await behind.aconnect() as one, await behind.aconnect() as other:
        assert 1 == proxy.reset(0.5)
        answers = await asyncio.gather(
            one.execute("SELECT 1"), other.execute("SELECT 1"), return_exceptions=True
        )
        assert 1 == sum(isinstance(each, psycopg.OperationalError) for each in answers)
    async with await behind.aconnect() as fresh:
        await fresh.execute("SELECT 1")


async def test_a_stranded_connection_says_nothing(way: tuple[Proxy, Database]) -> None:
    """No answer and no error on the old one, answers on a new one."""
    proxy, behind = way
    connection = await behind.aconnect()
    assert 1 == proxy.strand()
    asking = asyncio.create_task(connection.execute("SELECT 1"))
    async with await behind.aconnect() as fresh:
        await fresh.execute("SELECT 1")
    assert not asking.done()
    proxy.reset()
    with pytest.raises(psycopg.OperationalError):
        await asking


@pytest.mark.parametrize(
    "toxics", [Toxics(slice=1), Toxics(bandwidth=50_000), Toxics(latency=0.05)]
)
async def test_what_passes_slowly_passes_whole(way: tuple[Proxy, Database], toxics: Toxics) -> None:
    """Byte by byte, at 50 kB/s, or late: the answer is the same."""
    proxy, behind = way
    async with await behind.aconnect() as connection:
        proxy.toxics = toxics
        began = monotonic()
        cursor = await connection.execute("SELECT repeat('x', 2000)")
        assert [("x" * 2000,)] == await cursor.fetchall()
        assert monotonic() - began >= 2 * toxics.latency
