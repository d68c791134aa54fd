"""Invites: made by admins, accepted once, with a token that is kept as a hash."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from tests.service.api.conftest import Person

Client = TestClient[Request, Application]
INVITES = "/api/v1/invites"
PASSWORD = "correct horse battery staple"


async def invited(client: Client, admin: Person, **body: str) -> dict[str, str]:
    """Make an invite."""
    body = {"email": "new@example.com", **body}
    response = await client.post(INVITES, json=body, headers=admin.headers)
    assert 201 == response.status, await response.text()
    return dict(await response.json())


async def accept(client: Client, token: str) -> tuple[int, dict[str, str]]:
    """Accept an invite, and return the status and the answer."""
    body = {"token": token, "password": PASSWORD}
    response = await client.post(f"{INVITES}/accept", json=body)
    return response.status, dict(await response.json())


async def test_an_invite_makes_the_account(
    client: Client, admin: Person, db: psycopg.AsyncConnection
) -> None:
    """Its token makes an account with the e-mail and role of the invite, once, and logs it in."""
    made = await invited(client, admin, email="New@Example.com", role="admin")
    status, answer = await accept(client, made["token"])
    assert (201, "new@example.com", "admin") == (status, answer["email"], answer["role"])
    bearer = {"Authorization": f"Bearer {answer['token']}"}
    assert 200 == (await client.get(INVITES, headers=bearer)).status
    again, problem = await accept(client, made["token"])
    assert (403, "bad_invite_token") == (again, problem["code"])
    row = await (await db.execute("SELECT invites::text FROM invites")).fetchone()
    assert row is not None
    assert made["token"] not in row[0]


async def test_of_many_at_once_one_accepts(
    client: Client, admin: Person, db: psycopg.AsyncConnection
) -> None:
    """Six who accept one invite at the same time make one account."""
    made = await invited(client, admin)
    found = await asyncio.gather(*(accept(client, made["token"]) for _ in range(6)))
    assert [201, 403, 403, 403, 403, 403] == sorted(status for status, _ in found)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invites SET expires_at = now()",
        "UPDATE invites SET revoked_at = now()",
        "UPDATE users SET role = 'user' WHERE email = 'root@example.com'",
        "UPDATE users SET disabled_at = now() WHERE email = 'root@example.com'",
    ],
)
async def test_what_is_over_makes_no_account(
    client: Client, admin: Person, db: psycopg.AsyncConnection, statement: str
) -> None:
    """Expired, revoked, or made by somebody who is no active admin any more: 403."""
    made = await invited(client, admin)
    await db.execute(statement)
    status, problem = await accept(client, made["token"])
    assert (403, "bad_invite_token") == (status, problem["code"])


@pytest.mark.parametrize("token", ["", "x", "\ud800", "\x00", "x" * 5000])
async def test_another_token_is_refused(client: Client, admin: Person, token: str) -> None:
    """Whatever is no token of an open invite is 403."""
    await invited(client, admin)
    assert 403 == (await accept(client, token))[0]


async def test_a_second_invite_replaces_the_first(client: Client, admin: Person) -> None:
    """Of two invites for an address the later one holds; one for an account is 409."""
    first, second = await invited(client, admin), await invited(client, admin)
    assert 403 == (await accept(client, first["token"]))[0]
    assert 201 == (await accept(client, second["token"]))[0]
    taken = await client.post(INVITES, json={"email": "new@example.com"}, headers=admin.headers)
    assert (409, "email_taken") == (taken.status, (await taken.json())["code"])


async def test_invites_are_listed_and_revoked(client: Client, admin: Person) -> None:
    """The list shows every invite without its token; a revoked one holds no longer."""
    made = [await invited(client, admin, email=f"{n}@example.com") for n in range(3)]
    path, seen = f"{INVITES}?limit=2", []
    while path:
        response = await client.get(path, headers=admin.headers)
        assert made[0]["token"] not in await response.text()
        seen += [each["id"] for each in (await response.json())["invites"]]
        path = response.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert [each["id"] for each in reversed(made)] == seen
    for _ in range(2):
        revoked = await client.delete(f"{INVITES}/{made[0]['id']}", headers=admin.headers)
        assert 204 == revoked.status
    assert 403 == (await accept(client, made[0]["token"]))[0]
    missing = await client.delete(f"{INVITES}/{2**60}", headers=admin.headers)
    assert 404 == missing.status


async def test_a_weak_password_uses_nothing_up(client: Client, admin: Person) -> None:
    """After a password that is refused the invite is still open."""
    made = await invited(client, admin)
    body = {"token": made["token"], "password": "password1"}
    refused = await client.post(f"{INVITES}/accept", json=body)
    assert (422, "guessable") == (refused.status, (await refused.json())["code"])
    assert 201 == (await accept(client, made["token"]))[0]


async def test_of_many_made_at_once_one_is_open(
    client: Client, admin: Person, db: psycopg.AsyncConnection
) -> None:
    """Invites for one address revoke each other, at the same time too: the last one holds."""
    await asyncio.gather(*(invited(client, admin) for _ in range(8)))
    cursor = await db.execute("SELECT count(*) FROM invites WHERE revoked_at IS NULL")
    assert (1,) == await cursor.fetchone()
