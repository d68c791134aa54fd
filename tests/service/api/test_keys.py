from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service import keys
from service.store.api_keys import api_key_create, api_keys_lock
from service.store.links import link_create
from tests.service.api.conftest import Person
from tests.support.accounts import disable

Client = TestClient[Request, Application]
KEYS, LINKS, ME = (f"/api/v1/{name}" for name in ("keys", "links", "me"))
WANTED = {"name": "deploy", "scopes": ["links:read"]}


async def make(client: Client, who: Person, **changes: object) -> dict[str, Any]:
    """Make a key and return the answer."""
    response = await client.post(KEYS, json={**WANTED, **changes}, headers=who.headers)
    assert 201 == response.status, await response.text()
    made: dict[str, Any] = await response.json()
    return made


def bearer(key: dict[str, Any]) -> dict[str, str]:
    """Return the header a program with this key sends."""
    return {"Authorization": f"Bearer {key['key']}"}


async def test_a_key_is_shown_once(client: Client, ada: Person) -> None:
    """The new key is told with all about it; the list tells the same without it."""
    made = await make(client, ada, name=" deploy ", scopes=["stats:read", "links:read"])
    assert keys.is_written(made.pop("key"))
    assert ("deploy", ["links:read", "stats:read"]) == (made["name"], made["scopes"])
    assert [None] * 3 == [made[name] for name in ("expires_at", "last_used_at", "revoked_at")]
    response = await client.get(KEYS, headers=ada.headers)
    assert {"keys": [made]} == await response.json()


async def test_only_a_hash_is_kept(
    client: Client, ada: Person, db: psycopg.AsyncConnection
) -> None:
    """Neither the key nor its 256 bits stand anywhere in the table."""
    key = (await make(client, ada))["key"]
    cursor = await db.execute("SELECT secret_hash, api_keys::text FROM api_keys")
    ((kept, row),) = await cursor.fetchall()
    assert keys.digest(key) == kept
    assert key[3:20] not in row


async def test_a_key_does_what_it_is_for(client: Client, ada: Person) -> None:
    """With its scope a key reads and writes its owner's links and statistics, and nothing else."""
    writer = bearer(await make(client, ada, scopes=["links:write"]))
    reader = bearer(await make(client, ada, scopes=["links:read", "stats:read"]))
    link = {"url": "https://example.com/", "code": "mine"}
    assert 201 == (await client.post(LINKS, json=link, headers=writer)).status
    assert 200 == (await client.get(f"{LINKS}/mine", headers=reader)).status
    assert 200 == (await client.get("/stats/mine", headers=reader)).status
    for headers, method, path in (
        (reader, "POST", LINKS),
        (reader, "DELETE", f"{LINKS}/mine"),
        (writer, "GET", f"{LINKS}/mine"),
        (writer, "GET", "/stats/mine"),
        (writer, "GET", ME),
        (writer, "GET", KEYS),
        (writer, "POST", KEYS),
    ):
        response = await client.request(method, path, headers=headers)
        assert (403, "scope_missing") == (response.status, (await response.json())["code"])


async def test_an_admins_key_is_no_admins(
    client: Client, ada: Person, admin: Person, db: psycopg.AsyncConnection
) -> None:
    """What an admin may do beyond their own takes a session: their key is a user's."""
    await link_create(db, "adas", "https://example.com/", ada.user.id)
    key = bearer(await make(client, admin))
    assert 200 == (await client.get(f"{LINKS}/adas", headers=admin.headers)).status
    assert 403 == (await client.get(f"{LINKS}/adas", headers=key)).status
    listed = await (await client.get(LINKS, headers=key)).json()
    assert [] == listed["links"]


async def test_last_use_is_told(client: Client, ada: Person) -> None:
    """The list tells when a key was last used, refused for its scope or not."""
    made = await make(client, ada)
    assert 403 == (await client.get(ME, headers=bearer(made))).status
    (listed,) = (await (await client.get(KEYS, headers=ada.headers)).json())["keys"]
    used = datetime.fromisoformat(listed["last_used_at"])
    assert timedelta(0) <= datetime.now(UTC) - used < timedelta(minutes=1)


async def test_revoked_is_over_at_once(client: Client, ada: Person) -> None:
    """204 and the key holds no more; a second 204 changes nothing."""
    made = await make(client, ada)
    path = f"{KEYS}/{made['id']}"
    assert 200 == (await client.get(LINKS, headers=bearer(made))).status
    for _ in range(2):
        assert 204 == (await client.delete(path, headers=ada.headers)).status
    assert 401 == (await client.get(LINKS, headers=bearer(made))).status
    (listed,) = (await (await client.get(KEYS, headers=ada.headers)).json())["keys"]
    assert listed["revoked_at"].endswith("Z")


async def test_keys_end_with_their_time_and_their_owner(
    client: Client, ada: Person, db: psycopg.AsyncConnection
) -> None:
    """An expired key and a disabled user's are 401, in the same words as no key."""
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await make(client, ada, expires_at=until)
    other = await make(client, ada)
    await db.execute("UPDATE api_keys SET expires_at = now() WHERE expires_at IS NOT NULL")
    same = {"X-Request-Id": "same"}
    over = await client.get(LINKS, headers=bearer(made) | same)
    await disable(db, "ada@example.com")
    disabled = await client.get(LINKS, headers=bearer(other) | same)
    nobody = await client.get(LINKS, headers=same)
    assert [401] * 3 == [each.status for each in (over, disabled, nobody)]
    texts = {await each.text() for each in (over, disabled, nobody)}
    assert 1 == len(texts)


@pytest.mark.parametrize("change", ["{}x", "x{}", "ec_", "{}.{}", "{}{}"])
async def test_what_is_no_key_is_401(client: Client, ada: Person, change: str) -> None:
    """Whatever else begins like a key is no token at all."""
    key = (await make(client, ada))["key"]
    headers = {"Authorization": f"Bearer {change.format(key, key)}"}
    assert 401 == (await client.get(LINKS, headers=headers)).status


async def test_a_key_is_no_cookie_and_no_parameter(client: Client, ada: Person) -> None:
    """Browsers have sessions; a key in the cookie or in the URL is not looked at."""
    key = (await make(client, ada))["key"]
    cookie = {"Cookie": f"everyclick_session={key}"}
    assert 401 == (await client.get(LINKS, headers=cookie)).status
    assert 401 == (await client.get(LINKS, params={"access_token": key})).status
    logout = await client.post("/api/v1/logout", headers={"Authorization": f"Bearer {key}"})
    assert 401 == logout.status


@pytest.mark.parametrize(
    "changes, pointer, code",
    [
        ({"name": ""}, "/name", "too_short"),
        ({"name": "x" * 101}, "/name", "too_long"),
        ({"name": "a\x00"}, "/name", "bad_character"),
        ({"name": "\ud800"}, "/name", "bad_character"),
        ({"name": 1}, "/name", "wrong_type"),
        ({"scopes": []}, "/scopes", "too_short"),
        ({"scopes": ["admin"]}, "/scopes/0", "bad_value"),
        ({"scopes": "links:read"}, "/scopes", "wrong_type"),
        ({"scopes": [["links:read"]]}, "/scopes/0", "bad_value"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "in_the_past"),
        ({"expires_at": 1}, "/expires_at", "wrong_type"),
        ({"user_id": 1}, "/user_id", "unknown"),
    ],
)
async def test_bad_fields_are_named(
    client: Client, ada: Person, changes: dict[str, Any], pointer: str, code: str
) -> None:
    """What a key cannot be is 422; a key for somebody else is not on offer."""
    response = await client.post(KEYS, json={**WANTED, **changes}, headers=ada.headers)
    problem = await response.json()
    assert 422 == response.status
    assert (pointer, code) == (problem["errors"][0]["pointer"], problem["errors"][0]["code"])


@pytest.mark.parametrize("number", ["0", "-1", "x", "1" * 18, "9" * 400, "٣", "1.0", "%00", "1e3"])
async def test_no_such_key(client: Client, ada: Person, number: str) -> None:
    """Whatever is no number of a key of one's own is 404."""
    response = await client.delete(f"{KEYS}/{number}", headers=ada.headers)
    assert (404, "not_found") == (response.status, (await response.json())["code"])


async def test_so_many_and_no_more(
    client: Client, ada: Person, bob: Person, db: psycopg.AsyncConnection
) -> None:
    """Past 100 active keys another one is 409, also for many at once; others are not concerned."""
    async with db.transaction():
        await api_keys_lock(db, ada.user.id)
        for n in range(98):
            await api_key_create(db, ada.user.id, "many", b"%d" % n, ["links:read"], None)

    async def status() -> int:
        return (await client.post(KEYS, json=WANTED, headers=ada.headers)).status

    assert [201, 201, 409, 409, 409] == sorted(await asyncio.gather(*(status() for _ in range(5))))
    await make(client, bob)
