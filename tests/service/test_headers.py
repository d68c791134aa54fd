"""The headers of every response, whoever makes it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import NamedTuple, NoReturn

import pytest
from aiohttp import web
from psycopg import AsyncConnection

from service import headers
from service.app import create_app
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.errors import Unavailable
from service.lifespan import READINESS, RECORDER
from service.settings import ServiceSettings
from tests.conftest import KEY
from tests.service.api.conftest import person
from tests.support.declared import DOCUMENT, operation_of, undeclared
from tests.support.ledger import make_link
from tests.support.served import Served, Told, parsed, served

LINKS = "/api/v1/links"
BIG = '{"url": "' + "a" * 2_000_000 + '"}'


class Asked(NamedTuple):
    """A request, and the status that it should be answered with."""

    status: int
    method: str
    path: str
    headers: dict[str, str]
    body: str


REQUESTS = [
    Asked(200, "GET", "/healthz", {}, ""),
    Asked(200, "GET", "/readyz", {}, ""),
    Asked(200, "HEAD", "/healthz", {}, ""),
    Asked(200, "GET", "/api/v1/me", {"Authorization": "token"}, ""),
    Asked(200, "GET", "/stats/hello", {"Authorization": "token"}, ""),
    Asked(201, "POST", LINKS, {"Authorization": "token"}, '{"url": "https://example.com/"}'),
    Asked(204, "POST", "/api/v1/logout", {"Authorization": "token"}, ""),
    Asked(302, "GET", "/hello", {}, ""),
    Asked(302, "HEAD", "/hello", {}, ""),
    Asked(302, "GET", "/hel%6Co", {}, ""),
    Asked(400, "POST", LINKS, {"Authorization": "token"}, "{"),
    Asked(400, "GET", "/\x01", {}, ""),
    Asked(401, "GET", LINKS, {}, ""),
    Asked(403, "GET", "/stats/other", {"Authorization": "token"}, ""),
    Asked(403, "POST", "/api/v1/login", {"Origin": "https://evil.example"}, ""),
    Asked(404, "GET", "/unknown", {}, ""),
    Asked(404, "GET", "/no/such/path", {}, ""),
    Asked(404, "GET", "//", {}, ""),
    Asked(405, "POST", "/hello", {}, ""),
    Asked(405, "OPTIONS", LINKS, {"Origin": "https://evil.example"}, ""),
    Asked(405, "TRACE", "/healthz", {}, ""),
    Asked(
        409, "POST", LINKS, {"Authorization": "token"}, '{"url": "https://a.b/", "code": "hello"}'
    ),
    Asked(410, "GET", "/expired", {}, ""),
    Asked(413, "POST", LINKS, {"Authorization": "token"}, BIG),
    Asked(415, "POST", LINKS, {"Authorization": "token", "Content-Type": "text/plain"}, "x"),
    Asked(417, "GET", "/hello", {"Expect": "miracles"}, ""),
    Asked(417, "POST", LINKS, {"Expect": "miracles"}, ""),
    Asked(417, "GET", "/no/such/path", {"Expect": "miracles"}, ""),
    Asked(422, "POST", LINKS, {"Authorization": "token"}, '{"url": "javascript:alert(1)"}'),
]


@pytest.fixture(params=["http", "https"])
def settings(request: pytest.FixtureRequest) -> ServiceSettings:
    """Of a service in public, with TLS before it or not."""
    return ServiceSettings(base_url=f"{request.param}://app.example")


@pytest.fixture
async def service(app: web.Application, db: AsyncConnection) -> AsyncIterator[Served]:
    """The service with some links."""
    for code in ("hello", "other", "expired"):
        await make_link(db, code)
    await db.execute("UPDATE links SET expires_at = '2020-01-01' WHERE code = 'expired'")
    async with served(app) as service:
        yield service


def check(told: Told, settings: ServiceSettings) -> None:
    """A response has the headers it should have, and none that tells too much."""
    expected = headers.REDIRECT if told.status == 302 else headers.EVERY
    for name, value in expected.items():
        assert value == told.headers[name.lower()]
    assert ("max-age=31536000" if settings.is_https else None) == told.headers.get(
        "strict-transport-security"
    )
    assert "no-store" == told.headers["cache-control"]
    assert "everyclick" == told.headers["server"]
    assert not [name for name in told.headers if name.startswith("access-control-")]
    assert "x-powered-by" not in told.headers
    everything = "\n".join(told.headers.values()).encode() + told.body
    assert not re.search(rb"aiohttp|Python/|Traceback|evil\.example", everything)
    if told.status >= 400:
        assert told.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "asked", REQUESTS, ids=[f"{each.status}-{each.method}-{each.path}" for each in REQUESTS]
)
async def test_every_response_has_them(
    service: Served,
    settings: ServiceSettings,
    app: web.Application,
    db: AsyncConnection,
    asked: Asked,
) -> None:
    """Whatever is asked and whoever answers it: the browser is told what not to do, nobody more."""
    sent = asked.headers
    if "Authorization" in sent:
        ada = await person(db, app, "ada@example.com")
        await db.execute("UPDATE links SET owner_id = %s WHERE code = 'hello'", [ada.user.id])
        sent = {**sent, **ada.headers}
    told = await service.ask(asked.method, asked.path, sent, asked.body)
    assert asked.status == told.status
    check(told, settings)
    operation = operation_of(asked.method, asked.path)
    assert operation is None or [] == undeclared(operation, told.status, told.headers)


@pytest.mark.parametrize(
    "error, status",
    [(ZeroDivisionError("secret"), 500), (TimeoutError(), 503), (Unavailable(), 503)],
)
async def test_failures_have_them(
    service: Served,
    settings: ServiceSettings,
    app: web.Application,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
) -> None:
    """500 and 503, of the API and of a redirect, are no exception."""

    async def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(app[READINESS], "probe", fail)
    monkeypatch.setattr(app[RECORDER], "record", fail)
    for path in ("/readyz", "/hello"):
        told = await service.ask("GET", path)
        expected = 500 if path == "/hello" and isinstance(error, TimeoutError) else status
        assert (expected, False) == (told.status, b"secret" in told.body)
        check(told, settings)
        operation = operation_of("GET", path)
        assert operation is not None
        assert [] == undeclared(operation, told.status, told.headers)


async def test_what_a_connection_is_told_has_them(
    service: Served, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are the answers that no request asked for: 408 and 503 of a connection, told of all operations."""
    slow = parsed(service.lines.told_too_slow)
    monkeypatch.setattr(service.lines, "_most", 0)
    full = parsed(await service.talk(b""))
    assert (408, 503) == (slow.status, full.status)
    for told in (slow, full):
        check(told, settings)
        for path in DOCUMENT["paths"].values():
            for operation in path.values():
                assert [] == undeclared(operation, told.status, told.headers)


async def test_the_short_links_host_has_them(
    database: Database, db: AsyncConnection, observed: list[Observation]
) -> None:
    """What the host of SHORT_URL answers is told the same way."""
    settings = ServiceSettings(base_url="https://app.example", short_url="https://go.example")
    await make_link(db)
    async with served(create_app(settings, database, KEY, observed.append)) as service:
        for status, method, path in (
            (302, "GET", "/hello"),
            (404, "GET", "/login"),
            (404, "GET", "/api/v1/me"),
            (405, "POST", "/hello"),
        ):
            told = await service.ask(method, path, {"Host": "go.example"})
            assert status == told.status
            check(told, settings)
