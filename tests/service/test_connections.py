import time

import psycopg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from service import connections
from service.contract.observations import DatabaseUnavailable, Observation, RequestFailed
from tests.service.api.conftest import person

Client = TestClient[web.Request, web.Application]


async def test_blocked_database_is_503_in_time(
    client: Client,
    db: psycopg.AsyncConnection,
    app: web.Application,
    observed: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that waits for a lock is answered 503 at its deadline; the pool works on."""
    monkeypatch.setattr(connections, "SECONDS", 0.3)
    ada = await person(db, app, "ada@example.com")
    started = time.perf_counter()
    async with db.transaction():
        await db.execute("LOCK TABLE links")
        response = await client.post(
            "/api/v1/links", json={"url": "https://example.com"}, headers=ada.headers
        )
    assert (503, "1") == (response.status, response.headers["Retry-After"])
    assert time.perf_counter() - started < 1.5
    assert any(isinstance(seen, DatabaseUnavailable) for seen in observed)
    assert not any(isinstance(seen, RequestFailed) for seen in observed)
    again = await client.get("/api/v1/links", headers=ada.headers)
    assert 200 == again.status


async def test_killed_connections_are_503_then_200(
    client: Client, db: psycopg.AsyncConnection, app: web.Application
) -> None:
    """A server that drops every connection costs 503s, never 500s, and is used again at once."""
    ada = await person(db, app, "ada@example.com")
    assert 200 == (await client.get("/api/v1/me", headers=ada.headers)).status
    await db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    answers = [(await client.get("/api/v1/me", headers=ada.headers)).status for _ in range(10)]
    assert {200, 503} >= set(answers)
    assert 200 == answers[-1]
