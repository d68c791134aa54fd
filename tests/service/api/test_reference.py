"""What is told of the API, to programs and to people."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from openapi_spec_validator import validate

from service.api import following, operations
from service.api.answers import GENERAL
from service.pages import FIXED
from service.problems import CATCH_ALL
from service.redirects import SLASHED

Client = TestClient[Request, Application]

IDS = [
    "setUp",
    "signUp",
    "whoAmI",
    "logIn",
    "logOut",
    "logOutEverywhere",
    "changePassword",
    "createKey",
    "listKeys",
    "revokeKey",
    "listUsers",
    "getUser",
    "changeUser",
    "createInvite",
    "listInvites",
    "revokeInvite",
    "acceptInvite",
    "createLink",
    "createLinks",
    "listLinks",
    "getLink",
    "changeLink",
    "deleteLink",
    "getStats",
    "isAlive",
    "isReady",
    "describeApi",
    "readApi",
]
"""Names that generated clients are made of, in the document's order: one that is taken away breaks them."""


async def test_the_document_is_valid(client: Client) -> None:
    """It is OpenAPI 3.1, and says so to every validator."""
    response = await client.get("/api/openapi.json")
    assert (200, "application/json") == (response.status, response.content_type)
    described = await response.json()
    assert "3.1.0" == described["openapi"]
    validate(described)


async def test_every_route_is_described(client: Client, app: Application) -> None:
    """Each path and method of the router is in it, and nothing that is not; pages are no API."""
    described = await (await client.get("/api/openapi.json")).json()
    told = {(path, method) for path, each in described["paths"].items() for method in each}
    routed = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource is not None and route.method not in {"HEAD", "*"}
    }
    assert told == {each for each in routed if each[0] not in {CATCH_ALL, SLASHED, *FIXED}}


def test_names_are_stable() -> None:
    """No operation is taken away, added or called another name without its being written here."""
    assert IDS == [each.id for each in operations()]
    assert len(IDS) == len(set(IDS))


async def test_a_change_has_no_defaults(client: Client) -> None:
    """Fields that are not given stay: a generated client that sent defaults would reset them."""
    described = await (await client.get("/api/openapi.json")).json()
    change = described["components"]["schemas"]["LinkPatch"]
    assert {"url", "title", "expires_at", "redirect_code", "disabled"} == set(change["properties"])
    assert [] == [name for name, each in change["properties"].items() if "default" in each]
    assert 1 == change["minProperties"]


def test_a_header_has_one_meaning() -> None:
    """Two headers of one name, declared apart, would hide one another."""
    told = [
        *GENERAL,
        *following.TELLS,
        *(each for operation in operations() for each in operation.tells),
    ]
    assert len({each.name for each in told}) == len({id(each) for each in told})


async def test_every_reference_leads_somewhere(client: Client) -> None:
    """Whatever is referred to is described, and whatever is described is referred to."""
    text = await (await client.get("/api/openapi.json")).text()
    described = await (await client.get("/api/openapi.json")).json()
    for kind in ("schemas", "headers"):
        wanted = set(re.findall(rf"#/components/{kind}/([\w-]+)", text))
        assert wanted == set(described["components"][kind])


async def test_the_page_needs_nothing(client: Client) -> None:
    """It names every operation, loads nothing, runs nothing, and its one style is let through by hash."""
    response = await client.get("/api/docs")
    page = await response.text()
    assert (200, "text/html") == (response.status, response.content_type)
    for operation in operations():
        assert f'id="{operation.id}"' in page
    # Addresses stand in examples as text; nothing refers to one.
    loading = r"<script|<link|<img|(src|href|srcset|action)=.(?!#|openapi\.json)|url\(|@import"
    assert not re.search(rf"{loading}|\bon\w+=|javascript:", page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = response.headers["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


async def test_what_is_known_is_not_sent(client: Client) -> None:
    """Both have an ETag, and are not sent again to who has them."""
    for path in ("/api/openapi.json", "/api/docs"):
        first = await client.get(path)
        headers = {"If-None-Match": first.headers["ETag"]}
        again = await client.get(path, headers=headers)
        assert (304, b"") == (again.status, await again.read())


async def test_an_address_has_no_format_that_is_not_checked(client: Client) -> None:
    """Addresses that JSON Schema's format `email` forbids are taken; only the pattern is told."""
    described = await (await client.get("/api/openapi.json")).json()
    email = described["components"]["schemas"]["Signup"]["properties"]["email"]
    assert re.fullmatch(email["pattern"], "$`w@l<f")
    assert "format" not in email
