"""Conditions on a change, and what redirects how."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from tests.service.api.conftest import Person

Client = TestClient[Request, Application]
LINK = "/api/v1/links/tagged"


async def tag(client: Client, who: Person) -> str:
    """The ETag of the link as it is."""
    response = await client.get(LINK, headers=who.headers)
    return response.headers["ETag"]


@pytest.fixture
async def first(client: Client, ada: Person) -> str:
    """The ETag of a new link of ada's."""
    wanted = {"url": "https://example.com/", "code": "tagged"}
    response = await client.post("/api/v1/links", json=wanted, headers=ada.headers)
    assert 201 == response.status
    return response.headers["ETag"]


async def test_each_change_is_another_version(client: Client, ada: Person, first: str) -> None:
    """Create, read and change answer one strong tag for a state, and another for the next one."""
    assert first == await tag(client, ada)
    assert first.startswith('"')
    changed = await client.patch(LINK, json={"title": "b"}, headers=ada.headers)
    assert first != changed.headers["ETag"] == await tag(client, ada)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_stale_tag(client: Client, ada: Person, first: str, method: str) -> None:
    """What was read before somebody else's change is neither written over nor removed: 412."""
    await client.patch(LINK, json={"title": "theirs"}, headers=ada.headers)
    now = await tag(client, ada)
    for given in (first, f"W/{now}", f"w/{now}", f"{now}x", '"other"', "nonsense", ""):
        headers = {**ada.headers, "If-Match": given}
        response = await client.request(method, LINK, json={"title": "mine"}, headers=headers)
        assert 412 == response.status, given
        assert "precondition_failed" == (await response.json())["code"]
    read = await client.get(LINK, headers=ada.headers)
    assert "theirs" == (await read.json())["title"]


@pytest.mark.parametrize("given", ["{tag}", "*", '"other", {tag}'])
async def test_a_tag_that_holds(client: Client, ada: Person, first: str, given: str) -> None:
    """The tag of the state as it is, alone or among others, or a star, lets the change through."""
    headers = {**ada.headers, "If-Match": given.format(tag=first)}
    response = await client.patch(LINK, json={"title": "b"}, headers=headers)
    assert 200 == response.status
    headers["If-Match"] = given.format(tag=response.headers["ETag"])
    assert 204 == (await client.delete(LINK, headers=headers)).status


async def test_a_link_of_the_same_code(client: Client, ada: Person, first: str) -> None:
    """A link that was made anew is another one, with another tag."""
    await client.delete(LINK, headers=ada.headers)
    wanted = {"url": "https://example.com/", "code": "tagged"}
    response = await client.post("/api/v1/links", json=wanted, headers=ada.headers)
    assert first != response.headers["ETag"]


async def test_what_is_known_is_not_sent(client: Client, ada: Person, first: str) -> None:
    """304 without a body to who knows the state, weakly compared; 200 to who knows another one."""
    for given, status in ((first, 304), (f"W/{first}", 304), ("*", 304), ('"other"', 200)):
        response = await client.get(LINK, headers={**ada.headers, "If-None-Match": given})
        assert status == response.status, given
        assert first == response.headers["ETag"]
        assert (status == 200) == bool(await response.read())


@pytest.mark.parametrize("redirect_code", [301, 302, 307, 308])
async def test_redirect_codes(client: Client, ada: Person, first: str, redirect_code: int) -> None:
    """A link redirects with its code from the next click on, and no answer may be kept."""
    wanted = {"redirect_code": redirect_code}
    changed = await client.patch(LINK, json=wanted, headers=ada.headers)
    assert redirect_code == (await changed.json())["redirect_code"]
    for method in ("GET", "HEAD"):
        response = await client.request(method, "/tagged", allow_redirects=False)
        assert (redirect_code, "https://example.com/", "no-store") == (
            response.status,
            response.headers["Location"],
            response.headers["Cache-Control"],
        )


@pytest.mark.parametrize("redirect_code", [303, 304, 200, "302", None, 302.5, True])
async def test_other_codes(client: Client, ada: Person, first: str, redirect_code: object) -> None:
    """Nothing else is a redirect that a link can have."""
    response = await client.patch(LINK, json={"redirect_code": redirect_code}, headers=ada.headers)
    assert 422 == response.status
    (problem,) = (await response.json())["errors"]
    assert "/redirect_code" == problem["pointer"]
