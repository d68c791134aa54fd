"""Accounts over HTTP: for admins alone, and never without one that is active."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from tests.service.api.conftest import Person, person

Client = TestClient[Request, Application]
USERS = "/api/v1/users"


async def test_admins_list_and_read(client: Client, admin: Person, ada: Person) -> None:
    """An admin sees every account, newest first, and none of their hashes."""
    answer = await (await client.get(USERS, headers=admin.headers)).json()
    assert ["ada@example.com", "root@example.com"] == [each["email"] for each in answer["users"]]
    one = await (await client.get(f"{USERS}/{ada.user.id}", headers=admin.headers)).json()
    assert one == answer["users"][0]
    assert {"id", "email", "role", "created_at", "disabled_at"} == one.keys()
    gone = await client.get(f"{USERS}/{2**60}", headers=admin.headers)
    assert (404, "not_found") == (gone.status, (await gone.json())["code"])


async def test_pages_follow_one_another(
    client: Client, app: Application, admin: Person, db: psycopg.AsyncConnection
) -> None:
    """The Link header leads on with the same filters, until all are listed."""
    for number in range(5):
        await person(db, app, f"user{number}@example.com")
    path, seen = f"{USERS}?limit=2&role=user&state=active&email=USER", []
    while path:
        response = await client.get(path, headers=admin.headers)
        seen += [each["email"] for each in (await response.json())["users"]]
        path = response.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert [f"user{number}@example.com" for number in (4, 3, 2, 1, 0)] == seen


async def test_disabling_ends_sessions(client: Client, admin: Person, ada: Person) -> None:
    """A disabled account's token is worth nothing, and nothing again once it is enabled."""
    path = f"{USERS}/{ada.user.id}"
    off = await client.patch(path, json={"disabled": True}, headers=admin.headers)
    assert (200, False) == (off.status, (await off.json())["disabled_at"] is None)
    assert 401 == (await client.get("/api/v1/me", headers=ada.headers)).status
    on = await client.patch(path, json={"disabled": False}, headers=admin.headers)
    assert (await on.json())["disabled_at"] is None
    assert 401 == (await client.get("/api/v1/me", headers=ada.headers)).status


async def test_a_role_holds_at_once(client: Client, admin: Person, ada: Person) -> None:
    """A new admin's old token is an admin's, and no longer when the role is taken away."""
    path = f"{USERS}/{ada.user.id}"
    for role, status in (("admin", 200), ("user", 403)):
        changed = await client.patch(path, json={"role": role}, headers=admin.headers)
        assert (200, role) == (changed.status, (await changed.json())["role"])
        assert status == (await client.get(USERS, headers=ada.headers)).status


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "user"}])
async def test_the_last_admin_stays(
    client: Client, admin: Person, change: dict[str, object]
) -> None:
    """The only active admin is neither disabled nor demoted: 409."""
    path = f"{USERS}/{admin.user.id}"
    refused = await client.patch(path, json=change, headers=admin.headers)
    assert (409, "last_admin") == (refused.status, (await refused.json())["code"])
    assert 200 == (await client.get(USERS, headers=admin.headers)).status


async def test_of_many_at_once_one_admin_stays(
    client: Client, app: Application, admin: Person, db: psycopg.AsyncConnection
) -> None:
    """Eight admins who disable one another at the same time leave exactly one active."""
    admins = [admin] + [await person(db, app, f"a{n}@example.com", "admin") for n in range(7)]
    await asyncio.gather(
        *(
            client.patch(f"{USERS}/{other.user.id}", json={"disabled": True}, headers=each.headers)
            for each in admins
            for other in admins
        )
    )
    cursor = await db.execute(
        "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL"
    )
    assert (1,) == await cursor.fetchone()


async def test_others_learn_nothing(client: Client, ada: Person, bob: Person) -> None:
    """To a user every account's number is the same 403, whether there is such an account or not."""
    answers = [
        await (await client.get(f"{USERS}/{number}", headers=ada.headers)).json()
        for number in (bob.user.id, 2**60)
    ]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1]
    assert (403, "forbidden") == (answers[0]["status"], answers[0]["code"])
    changed = await client.patch(
        f"{USERS}/{ada.user.id}", json={"role": "admin"}, headers=ada.headers
    )
    assert 403 == changed.status
