"""A host of their own for short links."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from psycopg import AsyncConnection

from service.app import create_app
from service.contract.observations import Observation, Redirected, RequestServed
from service.contract.postgres import Database
from service.hosts import short_host
from service.lifespan import OBSERVE
from service.redirects import REDIRECTS
from service.settings import ServiceSettings
from tests.conftest import KEY
from tests.support.ledger import count, make_link
from tests.support.served import Served, served

SETTINGS = ServiceSettings(base_url="https://app.example", short_url="https://go.example/")


@pytest.fixture
async def service(
    database: Database, db: AsyncConnection, observed: list[Observation]
) -> AsyncIterator[Served]:
    """A service with two hosts and one link."""
    await make_link(db)
    async with served(create_app(SETTINGS, database, KEY, observed.append)) as service:
        yield service


@pytest.mark.parametrize(
    "method, path, status, rows",
    [
        ("GET", "/hello", 302, 1),
        ("GET", "/hello?a=1", 302, 1),
        ("GET", "/hel%6Co", 302, 1),
        ("HEAD", "/hello", 302, 0),
        ("POST", "/hello", 405, 0),
        ("OPTIONS", "/hello", 405, 0),
        ("GET", "/login", 404, 0),
        ("GET", "/healthz", 404, 0),
        ("GET", "/readyz", 404, 0),
        ("GET", "/stats/hello", 404, 0),
        ("GET", "/api/v1/me", 404, 0),
        ("POST", "/api/v1/login", 404, 0),
        ("GET", "/hello/", 302, 1),
        ("GET", "/api/docs/", 404, 0),
        ("GET", "//app.example/healthz", 404, 0),
        ("GET", "/hello%00", 404, 0),
        ("GET", "/hello%2f", 404, 0),
    ],
)
@pytest.mark.parametrize("host", ["go.example", "GO.Example:443", "go.example."])
async def test_nothing_but_codes(
    service: Served,
    db: AsyncConnection,
    host: str,
    method: str,
    path: str,
    status: int,
    rows: int,
) -> None:
    """On the short links' host every other path is unknown, however the host is spelled."""
    told = await service.ask(method, path, {"Host": host})
    assert (status, rows) == (told.status, await count(db, "outbox"))


async def test_each_answer_is_reported(service: Served, observed: list[Observation]) -> None:
    """A redirect as one, everything else as a request that no route has."""
    await service.ask("GET", "/hello", {"Host": "go.example"})
    await service.ask("PUT", "/api/v1/me", {"Host": "go.example"})
    first, second = observed
    assert isinstance(first, Redirected)
    assert isinstance(second, RequestServed)
    assert ("PUT", "unmatched", 404) == (second.method, second.route, second.status)


@pytest.mark.parametrize(
    "path, status", [("/hello", 302), ("/healthz", 200), ("/api/v1/me", 401), ("/unknown", 404)]
)
@pytest.mark.parametrize("host", ["app.example", "127.0.0.1:8080", "other.example"])
async def test_elsewhere_everything_is_answered(
    service: Served, host: str, path: str, status: int
) -> None:
    """On every other host all is as without SHORT_URL: links from before it still lead on."""
    assert status == (await service.ask("GET", path, {"Host": host})).status


async def test_short_urls_are_the_short_host_s(database: Database) -> None:
    """Links are told with it; nothing is to be told apart when it is BASE_URL's host."""
    assert "https://go.example" == SETTINGS.link_url
    assert "https://app.example" == SETTINGS.public_url
    app = create_app(SETTINGS, database, KEY, print)
    assert short_host(SETTINGS, app[REDIRECTS], app[OBSERVE]) is not None
    for short in (None, "https://app.example", "https://APP.example:8443"):
        same = ServiceSettings(base_url="https://app.example", short_url=short)
        assert short_host(same, app[REDIRECTS], app[OBSERVE]) is None
