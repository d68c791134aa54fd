import psycopg
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service.contract.fitness import SCHEMA_HEAD

Client = TestClient[Request, Application]


async def test_healthz_says_ok(client: Client) -> None:
    """A living process says so, to GET and to HEAD."""
    response = await client.get("/healthz")
    assert (200, {"status": "ok"}) == (response.status, await response.json())
    assert 200 == (await client.head("/healthz")).status


async def test_readyz_names_the_schema(client: Client) -> None:
    """Ready means: the database answers and its schema is ours."""
    response = await client.get("/readyz")
    expected = {
        "status": "ready",
        "database": "ok",
        "schema": SCHEMA_HEAD,
        "relay_last_seen_seconds": None,
        "outbox_oldest_seconds": None,
    }
    assert (200, expected) == (response.status, await response.json())


async def test_readyz_is_503_at_another_schema(client: Client, db: psycopg.AsyncConnection) -> None:
    """At another schema the service is alive but not ready, and says why."""
    await db.execute("UPDATE alembic_version SET version_num = '0000'")
    response = await client.get("/readyz")
    problem = await response.json()
    assert (503, "unavailable") == (response.status, problem["code"])
    assert "0000" in problem["detail"]
    assert 200 == (await client.get("/healthz")).status
