"""A creation that is sent again."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service import links
from service.api import idempotency
from service.errors import Refused
from service.store.idempotency import idempotency_keep
from tests.service.api.conftest import Person

Client = TestClient[Request, Application]
LINKS = "/api/v1/links"
WANTED = {"url": "https://example.com/"}


async def count(db: psycopg.AsyncConnection) -> int:
    """How many links there are."""
    row = await (await db.execute("SELECT count(*) FROM links")).fetchone()
    assert row is not None
    return int(row[0])


def keyed(who: Person, key: str = "order-1") -> dict[str, str]:
    """Headers with a key."""
    return {**who.headers, "Idempotency-Key": key}


@pytest.mark.parametrize("path, wanted", [(LINKS, WANTED), (f"{LINKS}/bulk", {"links": [WANTED]})])
async def test_the_same_again(
    client: Client, db: psycopg.AsyncConnection, ada: Person, path: str, wanted: object
) -> None:
    """The same request with the same key answers the same, byte for byte, and makes nothing more."""
    first = await client.post(path, json=wanted, headers=keyed(ada))
    again = await client.post(path, json=wanted, headers=keyed(ada))
    assert 1 == await count(db)
    assert (first.status, await first.read()) == (again.status, await again.read())
    for name in ("Location", "ETag"):
        assert first.headers.get(name) == again.headers.get(name)
    assert (None, "true") == (
        first.headers.get("Idempotency-Replayed"),
        again.headers.get("Idempotency-Replayed"),
    )


async def test_twenty_at_once(client: Client, db: psycopg.AsyncConnection, ada: Person) -> None:
    """Twenty at the same moment make one link, and all of them are told of it."""
    answers = await asyncio.gather(
        *(client.post(LINKS, json=WANTED, headers=keyed(ada)) for _ in range(20))
    )
    assert 1 == await count(db)
    assert {201} == {answer.status for answer in answers}
    assert 1 == len({await answer.read() for answer in answers})
    assert 19 == sum("Idempotency-Replayed" in answer.headers for answer in answers)


async def test_another_request(client: Client, db: psycopg.AsyncConnection, ada: Person) -> None:
    """The key of another request is refused, of another body as of another path."""
    await client.post(LINKS, json=WANTED, headers=keyed(ada))
    other = {"url": "https://example.org/"}
    for path, wanted in ((LINKS, other), (f"{LINKS}/bulk", {"links": [WANTED]})):
        response = await client.post(path, json=wanted, headers=keyed(ada))
        assert (422, "idempotency_key_reused") == (
            response.status,
            (await response.json())["code"],
        )
    assert 1 == await count(db)


async def test_keys_are_their_owners(
    client: Client, db: psycopg.AsyncConnection, ada: Person, bob: Person
) -> None:
    """The same key of somebody else is another key."""
    for who in (ada, bob):
        response = await client.post(LINKS, json=WANTED, headers=keyed(who))
        assert "Idempotency-Replayed" not in response.headers
    assert 2 == await count(db)


async def test_rules_that_have_changed_since(
    client: Client, db: psycopg.AsyncConnection, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent is not judged again: a link whose end has come since is answered as it was."""
    wanted = {**WANTED, "expires_at": "2999-01-01T00:00:00Z"}
    first = await client.post(LINKS, json=wanted, headers=keyed(ada))

    def later(text: str, now: datetime) -> datetime:
        raise Refused("in_the_past", text)

    monkeypatch.setattr(links, "expiry", later)
    again = await client.post(LINKS, json=wanted, headers=keyed(ada))
    assert (201, await first.read()) == (again.status, await again.read())
    anew = await client.post(LINKS, json=wanted, headers=keyed(ada, "order-2"))
    assert (422, 1) == (anew.status, await count(db))


async def test_an_answer_of_another_release(
    client: Client, db: psycopg.AsyncConnection, ada: Person
) -> None:
    """What was answered is answered again, whatever members a link has by now."""
    await client.post(LINKS, json=WANTED, headers=keyed(ada))
    await db.execute('UPDATE idempotency_keys SET answer = \'{"code":  "x", "a": 1}\'')
    again = await client.post(LINKS, json=WANTED, headers=keyed(ada))
    assert (201, b'{"code":  "x", "a": 1}') == (again.status, await again.read())


@pytest.mark.parametrize("path, wanted", [(LINKS, WANTED), (f"{LINKS}/bulk", {"links": [WANTED]})])
async def test_a_connection_lost_before_commit(
    client: Client,
    db: psycopg.AsyncConnection,
    ada: Person,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    wanted: object,
) -> None:
    """Neither the link nor its answer stays; the next try makes one link."""

    async def keep(held: psycopg.AsyncConnection, *rest: Any) -> None:
        await idempotency_keep(held, *rest)
        held.pgconn.finish()
        raise psycopg.OperationalError("lost")

    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "idempotency_keep", keep)
        lost = await client.post(path, json=wanted, headers=keyed(ada))
    assert (503, 0) == (lost.status, await count(db))
    again = await client.post(path, json=wanted, headers=keyed(ada))
    assert ("Idempotency-Replayed" in again.headers, 1) == (False, await count(db))


@pytest.mark.parametrize("path", [LINKS, f"{LINKS}/bulk"])
async def test_what_is_nested_deeply(client: Client, ada: Person, path: str) -> None:
    """However deep it is, it is refused or told to be no link; it is no failure of ours."""
    headers = {**keyed(ada), "Content-Type": "application/json"}
    for depth in range(700, 1001, 10):
        sent = '{"links": [' + "[" * depth + "]" * depth + "]}"
        response = await client.post(path, data=sent, headers=headers)
        assert response.status in {200, 400, 422}, depth


async def test_a_refusal_is_not_kept(client: Client, ada: Person) -> None:
    """What was refused has done nothing: the next try is looked at anew."""
    wanted = {**WANTED, "code": "later"}
    await client.post(LINKS, json=wanted, headers=ada.headers)
    assert 409 == (await client.post(LINKS, json=wanted, headers=keyed(ada))).status
    await client.delete(f"{LINKS}/later", headers=ada.headers)
    assert 201 == (await client.post(LINKS, json=wanted, headers=keyed(ada))).status


@pytest.mark.parametrize("item", [{"url": "\ud800"}, "\ud800", {"\udfff": [10**400, None, 1.5]}])
async def test_a_key_for_what_is_no_text(client: Client, ada: Person, item: object) -> None:
    """What cannot be a link is told so, key or none, the second time too."""
    for _ in range(2):
        response = await client.post(f"{LINKS}/bulk", json={"links": [item]}, headers=keyed(ada))
        assert 200 == response.status
        assert [422] == [each["status"] for each in (await response.json())["results"]]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e9"])
async def test_what_is_no_key(client: Client, ada: Person, key: str) -> None:
    """A key that cannot be one is refused by name."""
    response = await client.post(LINKS, json=WANTED, headers=keyed(ada, key))
    assert (422, "bad_key") == (response.status, (await response.json())["code"])


async def test_a_day_later(client: Client, db: psycopg.AsyncConnection, ada: Person) -> None:
    """After a day a key is free again, and others' old ones are gone with it."""
    for key in ("a", "b"):
        await client.post(LINKS, json=WANTED, headers=keyed(ada, key))
    await db.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    response = await client.post(LINKS, json=WANTED, headers=keyed(ada, "a"))
    assert (201, None) == (response.status, response.headers.get("Idempotency-Replayed"))
    rows = await (await db.execute("SELECT key FROM idempotency_keys")).fetchall()
    assert [("a",)] == rows
