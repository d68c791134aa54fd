"""A GET changes nothing: of whatever route, by whoever asks."""

from __future__ import annotations

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from psycopg import sql

from service.api import operations
from service.store.links import link_create
from tests.service.api.conftest import person

Client = TestClient[Request, Application]

READS = sorted({operation.path for operation in operations() if operation.method == "GET"})


async def contents(db: psycopg.AsyncConnection) -> dict[str, str]:
    """Return all rows of each table, with the transaction that wrote each; not who asked how often."""
    cursor = await db.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found = {}
    for (table,) in await cursor.fetchall():
        if table == "allowances":
            continue
        statement = sql.SQL("SELECT string_agg(xmin || t::text, '\n' ORDER BY t::text) FROM {} t")
        row = await (await db.execute(statement.format(sql.Identifier(table)))).fetchone()
        assert row is not None
        found[table] = row[0]
    return found


@pytest.mark.parametrize("path", READS)
async def test_get_changes_nothing(
    client: Client, app: Application, db: psycopg.AsyncConnection, path: str
) -> None:
    """GET and HEAD, by nobody, by the owner, by another user and by an admin: every row stays."""
    ada = await person(db, app, "ada@example.com")
    people = [await person(db, app, "bob@example.com")]
    people.append(await person(db, app, "root@example.com", "admin"))
    assert await link_create(db, "hers", "https://example.com/", ada.user.id) is not None
    before = await contents(db)
    url = path.replace("{code}", "hers").replace("{id}", str(ada.user.id))
    for headers in ({}, ada.headers, *(each.headers for each in people)):
        for method in ("GET", "HEAD"):
            response = await client.request(method, url, headers=headers)
            assert response.status < 500
    assert before == await contents(db)
