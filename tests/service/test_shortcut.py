"""The way around the router leads to the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from psycopg import AsyncConnection

from tests.support.ledger import count, make_link
from tests.support.served import served


@pytest.fixture
async def base(app: web.Application) -> AsyncIterator[str]:
    """The address of the app, served as the service serves it."""
    async with served(app) as service:
        yield f"http://127.0.0.1:{service.port}"


@pytest.mark.parametrize(
    "method, path, status, rows",
    [
        ("GET", "/hello", 302, 1),
        ("GET", "/hello?a=1", 302, 1),
        ("GET", "/hel%6Co", 302, 1),
        ("HEAD", "/hello", 302, 0),
        ("POST", "/hello", 405, 0),
        ("GET", "/unknown", 404, 0),
        ("GET", "/hello/", 302, 1),
        ("GET", "/", 200, 0),
        ("GET", "/healthz", 200, 0),
        ("GET", "/readyz", 200, 0),
        ("GET", "/api/v1/me", 401, 0),
        ("GET", "/stats/hello", 401, 0),
        ("GET", "/stats", 404, 0),
    ],
)
async def test_every_path_gets_there(
    base: str, db: AsyncConnection, method: str, path: str, status: int, rows: int
) -> None:
    """Codes are redirected, whichever way they take; our own paths are not taken for codes."""
    from yarl import URL

    await make_link(db)
    async with ClientSession() as session:
        url = URL(base + path, encoded=True)
        async with session.request(method, url, allow_redirects=False) as response:
            assert status == response.status
            assert "everyclick" == response.headers["Server"]
    assert rows == await count(db, "outbox")


async def test_an_expectation_takes_the_ordinary_way(base: str, db: AsyncConnection) -> None:
    """What only the router knows to refuse is refused."""
    await make_link(db)
    async with ClientSession() as session:
        headers = {"Expect": "miracles"}
        async with session.get(f"{base}/hello", headers=headers) as response:
            assert 417 == response.status
    assert 0 == await count(db, "outbox")
