"""Many links at once."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service import links
from service.api.links.bulk import BODY_LIMIT
from service.api.links.bulk_models import MOST
from service.bodies import MARKS
from tests.service.api.conftest import Person

Client = TestClient[Request, Application]
BULK = "/api/v1/links/bulk"
URL = "https://example.com/"
JSON = {"Content-Type": "application/json"}


async def ask(client: Client, who: Person, wanted: list[Any]) -> dict[str, Any]:
    """Make links; the call itself must succeed."""
    response = await client.post(BULK, json={"links": wanted}, headers=who.headers)
    assert 200 == response.status, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


async def test_a_thousand(client: Client, db: psycopg.AsyncConnection, ada: Person) -> None:
    """A thousand links in one call: each is there, ada's, in the order of the call."""
    wanted = [{"url": f"{URL}{n}", "title": f"t{n}", "redirect_code": 308} for n in range(MOST)]
    answer = await ask(client, ada, wanted)
    assert MOST == answer["created"] == len(answer["results"])
    made = [each["link"] for each in answer["results"]]
    assert [each["url"] for each in wanted] == [each["url"] for each in made]
    assert {308} == {each["redirect_code"] for each in made}
    cursor = await db.execute("SELECT count(DISTINCT code) FROM links WHERE owner_id IS NOT NULL")
    assert (MOST,) == await cursor.fetchone()
    read = await client.get(f"/api/v1/links/{made[7]['code']}", headers=ada.headers)
    assert made[7] == await read.json()


async def test_each_has_its_own_result(client: Client, ada: Person) -> None:
    """What is wrong with one keeps no other from being made, and is told where it is."""
    await ask(client, ada, [{"url": URL, "code": "taken"}])
    wanted = [
        {"url": URL, "code": "mine"},
        {"url": "javascript:alert(1)", "code": "a/b"},
        {"url": URL, "code": "taken"},
        {"url": URL, "code": "mine"},
        7,
        {"url": URL, "owner": "bob@example.com"},
        {"url": URL},
    ]
    answer = await ask(client, ada, wanted)
    results = answer["results"]
    assert 2 == answer["created"]
    assert [201, 422, 409, 409, 422, 422, 201] == [each["status"] for each in results]
    pointers = [{p["pointer"] for p in each.get("errors", [])} for each in results]
    assert [
        set(),
        {"/links/1/url", "/links/1/code"},
        {"/links/2/code"},
        {"/links/3/code"},
        {"/links/4"},
        {"/links/5/owner"},
        set(),
    ] == pointers
    assert "code_taken" == results[2]["code"]


@pytest.mark.parametrize("wanted", [[], [{"url": URL}] * (MOST + 1), None, {"url": URL}])
async def test_how_many(client: Client, ada: Person, wanted: object) -> None:
    """One to a thousand in an array; nothing else is looked at."""
    response = await client.post(BULK, json={"links": wanted}, headers=ada.headers)
    assert 422 == response.status
    (problem,) = (await response.json())["errors"]
    assert "/links" == problem["pointer"]


async def test_a_large_call(client: Client, ada: Person) -> None:
    """A thousand of the longest targets fit; what is larger than any such call is 413."""
    headers = {**ada.headers, "Content-Type": "application/json"}
    wanted = [{"url": URL + "x" * (2048 - len(URL)), "title": "t" * 200}] * MOST
    for sent, status in ((json.dumps({"links": wanted}), 200), (" " * (BODY_LIMIT + 1), 413)):
        response = await client.post(BULK, data=io.BytesIO(sent.encode()), headers=headers)
        assert status == response.status


async def test_codes_that_are_drawn_twice(
    client: Client, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random code that another link has is drawn anew."""
    drawn = iter(["first", "first", "first", "second", "third"])
    await ask(client, ada, [{"url": URL, "code": "first"}])
    monkeypatch.setattr(links, "new_code", lambda: next(drawn))
    answer = await ask(client, ada, [{"url": URL}, {"url": URL}])
    assert {"second", "third"} == {each["link"]["code"] for each in answer["results"]}


async def test_two_calls_that_meet(client: Client, ada: Person, bob: Person) -> None:
    """Calls for the same codes in other orders do not wait for each other in a circle."""
    codes = [f"meet{n}" for n in range(200)]
    both = await asyncio.gather(
        ask(client, ada, [{"url": URL, "code": code} for code in codes]),
        ask(client, bob, [{"url": URL, "code": code} for code in reversed(codes)]),
    )
    assert 200 == sum(each["created"] for each in both)


async def test_a_code_named_like_the_route(client: Client, ada: Person) -> None:
    """The route takes POST alone, and no link may be called bulk: it could not be read."""
    made = await ask(client, ada, [{"url": URL, "code": "bulk"}])
    assert (0, "reserved_code") == (made["created"], made["results"][0]["code"])
    read = await client.get(BULK, headers=ada.headers)
    assert (405, "POST") == (read.status, read.headers["Allow"])


@pytest.mark.parametrize("mark", ["[", "{", '"'])
async def test_nothing_is_made_of_marks(client: Client, ada: Person, mark: str) -> None:
    """A body of hardly anything else than marks is refused unread: reading it would take seconds."""
    pair = {"[": "[]", "{": "{}", '"': '""'}[mark]
    body = '{"links": [[' + ",".join([pair] * (MARKS + 1)) + "]]}"
    response = await client.post(BULK, data=body, headers={**ada.headers, **JSON})
    assert (400, "invalid_json") == (response.status, (await response.json())["code"])
