"""Browsers see a page where programs get a problem document; `/`, robots.txt, the icon, a slash."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from aiohttp import web
from psycopg import AsyncConnection

from service import pages
from service.app import create_app
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.links import is_code, is_reserved
from service.pages import prefers_html
from service.recorder import Limits
from service.settings import ServiceSettings
from tests.conftest import KEY
from tests.support.declared import operation_of, undeclared
from tests.support.ledger import count, make_link
from tests.support.served import Served, Told, served

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

SHORT = {"Host": "go.example"}


@pytest.fixture
async def service(database: Database, observed: list[Observation]) -> AsyncIterator[Served]:
    """The service, with a host of its own for short links; after two unknown codes 429."""
    settings = ServiceSettings(
        base_url="https://app.example", short_url="https://go.example", miss_limit=2
    )
    app = create_app(settings, database, KEY, observed.append, Limits(deadline=60.0))
    async with served(app) as service:
        yield service


@pytest.mark.parametrize(
    "accept, expected",
    [
        (CHROME, True),
        ("text/html, application/xhtml+xml, image/jxr, */*", True),  # Internet Explorer
        ("text/html", True),
        ("TEXT/HTML;charset=utf-8;Q=1", True),
        ("text/html;q=0.5, application/json;q=0.1", True),
        ("*/*", False),  # curl
        ("", False),
        ("text/*", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("application/problem+json, text/html;q=0.9", False),
        ("application/json, text/plain, */*", False),
        ("text/html;q=0", False),
        ("text/html;q=0.1, */*", False),
        ("text/html;q=nan", False),
        ("text/html;q=2", False),
        ("text/htmlx", False),
        (",;,;q=1," * 1000, False),
    ],
)
def test_who_is_a_browser(accept: str, expected: bool) -> None:
    """Whoever names text/html, and no JSON as much."""
    assert expected == prefers_html(accept)


def page(told: Told) -> str:
    """The page that was answered, once all is right that is right with every page."""
    assert "text/html; charset=utf-8" == told.headers["content-type"]
    text = told.body.decode()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = told.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; base-uri 'none'; form-action 'none'; frame-anc")
    assert 'name="viewport" content="width=device-width' in text
    assert "color-scheme:light dark" in style
    assert not re.search(r"<script|style=|src=|@import|url\(|https?://", text)
    assert len(told.body) < 1500
    return text


async def errors(service: Served, headers: dict[str, str]) -> AsyncIterator[tuple[int, Told]]:
    """Ask for what is 410, 404 twice, 429."""
    for path, status in [("/gone", 410), ("/no", 404), ("/no", 404), ("/no", 429)]:
        yield status, await service.ask("GET", path, headers)


@pytest.mark.parametrize("host", ["app.example", "go.example"])
async def test_errors_are_pages_to_browsers(
    service: Served, db: AsyncConnection, host: str
) -> None:
    """404, 410 and 429, with the headers that the problem document has and the document tells."""
    await db.execute(
        "INSERT INTO links (code, target, disabled_at) VALUES ('gone', 'https://x.example', now())"
    )
    async for status, told in errors(service, {"Host": host, "Accept": CHROME}):
        assert status == told.status
        page(told)
        operation = operation_of("GET", "/gone")
        assert operation is not None
        assert [] == undeclared(operation, status, told.headers)
        assert "Accept" == told.headers["vary"]
        assert (status == 429) == ("retry-after" in told.headers)
        assert told.headers["x-request-id"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", None])
async def test_errors_are_problems_to_programs(
    service: Served, db: AsyncConnection, accept: str | None
) -> None:
    """As they have been; a cache is told that browsers get something else."""
    await db.execute(
        "INSERT INTO links (code, target, disabled_at) VALUES ('gone', 'https://x.example', now())"
    )
    async for status, told in errors(service, {"Accept": accept} if accept else {}):
        assert "application/problem+json; charset=utf-8" == told.headers["content-type"]
        problem = json.loads(told.body)
        assert (status, status) == (told.status, problem["status"])
        assert problem["request_id"] == told.headers["x-request-id"]
        assert "Accept" == told.headers["vary"]


async def test_503_is_a_page_from_memory(
    database: Database, observed: list[Observation], settings: ServiceSettings
) -> None:
    """Under a storm of them nothing is rendered: each answer is the same bytes."""
    app = create_app(settings, database, KEY, observed.append, Limits(waiting=0))
    async with served(app) as service:
        one, two = [await service.ask("GET", "/abc", {"Accept": CHROME}) for _ in range(2)]
    assert (503, 503) == (one.status, two.status)
    assert one.body == two.body == pages.ERRORS[503]
    page(one)
    assert "1" == one.headers["retry-after"]


async def test_head_of_an_error(service: Served) -> None:
    """The headers of the page, without it."""
    told = await service.ask("HEAD", "/no", {"Accept": CHROME})
    assert (404, b"") == (told.status, told.body)
    assert "text/html; charset=utf-8" == told.headers["content-type"]
    assert str(len(pages.ERRORS[404])) == told.headers["content-length"]


@pytest.mark.parametrize("path", ["/no/such/page", "/%3Cscript%3E", "/no.such.file"])
async def test_other_addresses(service: Served, path: str) -> None:
    """What no link could be is a page too; nothing of the address is in it."""
    told = await service.ask("GET", path, {"Accept": CHROME})
    assert (404, pages.ERRORS[404]) == (told.status, told.body)
    page(told)


@pytest.mark.parametrize("path", ["/api/v1/me", "/stats/abc", "/readyz"])
async def test_the_api_answers_everybody_alike(service: Served, path: str) -> None:
    """Its answers are JSON to a browser as well."""
    told = await service.ask("GET", path, {"Accept": CHROME})
    assert told.headers["content-type"].endswith("json; charset=utf-8")
    assert "vary" not in told.headers


async def test_a_redirect_is_no_negotiation(service: Served, db: AsyncConnection) -> None:
    """A link answers a browser as it answers a program."""
    await make_link(db)
    one, two = [await service.ask("GET", "/hello", {"Accept": each}) for each in (CHROME, "*/*")]
    assert (302, 302) == (one.status, two.status)
    assert {**one.headers, "date": ""} == {**two.headers, "date": ""}
    assert "vary" not in one.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", ["app.example", "go.example"])
@pytest.mark.parametrize(
    "path, status, kind, kept",
    [
        ("/", 200, "text/html; charset=utf-8", "no-store"),
        ("/robots.txt", 200, "text/plain; charset=utf-8", "max-age=86400"),
        ("/favicon.ico", 204, None, "max-age=86400"),
    ],
)
async def test_what_browsers_ask_every_host_for(
    service: Served, host: str, path: str, method: str, status: int, kind: str | None, kept: str
) -> None:
    """Both hosts have a page at /, keep crawlers out and have no icon."""
    told = await service.ask(method, path, {"Host": host})
    assert status == told.status
    assert (kind, kept) == (told.headers.get("content-type"), told.headers["cache-control"])
    assert {"x-request-id", "x-content-type-options", "strict-transport-security"} <= {
        *told.headers
    }
    if path == "/" and method == "GET":
        assert (host == "app.example") == ("/api/docs" in page(told))
    if path == "/robots.txt" and method == "GET":
        assert b"User-agent: *\nDisallow: /\n" == told.body


@pytest.mark.parametrize("host", ["app.example", "go.example"])
@pytest.mark.parametrize("path", ["/", "/robots.txt", "/favicon.ico", "/hello/"])
async def test_other_methods(service: Served, host: str, path: str) -> None:
    """405, with what is allowed."""
    told = await service.ask("POST", path, {"Host": host})
    assert (405, "GET,HEAD") == (told.status, told.headers["allow"])


@pytest.mark.parametrize("host", ["app.example", "go.example"])
@pytest.mark.parametrize(
    "method, path, status, rows",
    [
        ("GET", "/hello/", 302, 1),
        ("GET", "/hello/?a=1", 302, 1),
        ("HEAD", "/hello/", 302, 0),
        ("GET", "/hello//", 404, 0),
        ("GET", "/healthz/", 404, 0),
        ("GET", "/unknown/", 404, 0),
    ],
)
async def test_a_slash_after_a_code(
    service: Served,
    db: AsyncConnection,
    host: str,
    method: str,
    path: str,
    status: int,
    rows: int,
) -> None:
    """It is the same link: one redirect, one click."""
    await make_link(db)
    told = await service.ask(method, path, {"Host": host})
    assert (status, rows) == (told.status, await count(db, "outbox"))


def test_no_code_hides_a_path(app: web.Application) -> None:
    """Whatever begins a path of ours is reserved, if a code could be written so."""
    first = {resource.canonical.split("/")[1] for resource in app.router.resources()}
    assert {"robots.txt", "favicon.ico", "healthz", "stats", "api"} <= first
    assert [] == [name for name in first if is_code(name) and not is_reserved(name)]
    stems = {name.partition(".")[0] for name in first if "." in name}
    assert {"robots", "favicon"} == stems
    assert all(map(is_reserved, stems))
