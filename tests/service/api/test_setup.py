"""The first admin."""

from __future__ import annotations

import asyncio

import psycopg
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from service import setup
from service.store.users import user_create, users_all

Client = TestClient[Request, Application]
ROOT = {"email": "Root@Example.com", "password": "correct horse"}
SETUP, ME = "/api/v1/setup", "/api/v1/me"


async def offered(db: psycopg.AsyncConnection) -> str:
    """Return a secret that the operator was told."""
    secret = await setup.offer(db)
    assert secret is not None
    return secret


async def refusal(client: Client, token: str, **changes: str) -> tuple[int, str]:
    """Try to set up; return the status and the code of why not."""
    response = await client.post(SETUP, json={"token": token, **ROOT, **changes})
    assert "Set-Cookie" not in response.headers
    return response.status, (await response.json())["code"]


async def test_the_token_makes_an_admin(client: Client, db: psycopg.AsyncConnection) -> None:
    """201 with a session, like sign-up; the account is an admin's."""
    response = await client.post(SETUP, json={"token": await offered(db), **ROOT})
    answer = await response.json()
    assert 201 == response.status
    assert {"email", "role", "created_at", "token", "expires_at"} == answer.keys()
    assert ("root@example.com", "admin") == (answer["email"], answer["role"])
    me = await client.get(ME, headers={"Authorization": f"Bearer {answer['token']}"})
    assert "admin" == (await me.json())["role"]


async def test_twenty_at_once_make_one(client: Client, db: psycopg.AsyncConnection) -> None:
    """Of 20 parallel set-ups with one token, each with an e-mail of its own, one is 201, 19 are 409."""
    secret = await offered(db)
    answers = await asyncio.gather(
        *(
            client.post(SETUP, json={**ROOT, "token": secret, "email": f"root{n}@example.com"})
            for n in range(20)
        )
    )
    assert [201] + [409] * 19 == sorted(answer.status for answer in answers)
    assert ["admin"] == [user.role for user in await users_all(db)]


async def test_nobody_is_set_up_twice(client: Client, db: psycopg.AsyncConnection) -> None:
    """Once there is an admin, however made and though disabled, every token is 409."""
    secret = await offered(db)
    await user_create(db, "root@example.com", "!", "admin")
    await db.execute("UPDATE users SET disabled_at = now()")
    assert (409, "already_set_up") == await refusal(client, secret, email="eve@example.com")
    assert (409, "already_set_up") == await refusal(client, "guess", email="eve@example.com")
    assert await setup.offer(db) is None
    assert 1 == len(await users_all(db))


async def test_tokens_that_do_not_hold(client: Client, db: psycopg.AsyncConnection) -> None:
    """Guessed, empty, no text, replaced by a newer one, or a day old: 403, and no account."""
    wrong = (403, "bad_setup_token")
    assert wrong == await refusal(client, "guess")
    old = await offered(db)
    for token in ("", "guess", "\ud800", "\x00", old + " ", old[:-1], "x" * 50_000):
        assert wrong == await refusal(client, token)
    new = await offered(db)
    assert wrong == await refusal(client, old)
    await db.execute("UPDATE setup SET expires_at = now()")
    assert wrong == await refusal(client, new)
    assert [] == await users_all(db)


async def test_a_token_lasts_a_day(db: psycopg.AsyncConnection) -> None:
    """It expires after 24 hours; what is kept is its SHA-256 and not the token."""
    secret = await offered(db)
    cursor = await db.execute(
        "SELECT expires_at - created_at = interval '24 hours', secret_hash FROM setup"
    )
    assert [(True, setup.digest(secret))] == await cursor.fetchall()
    assert 32 == len(setup.digest(secret))
    assert len(secret) >= 43


async def test_a_refused_account_leaves_the_token(
    client: Client, db: psycopg.AsyncConnection
) -> None:
    """A password that is guessable or an e-mail that is taken uses nothing up."""
    secret = await offered(db)
    await user_create(db, "ada@example.com", "!")
    assert (409, "email_taken") == await refusal(client, secret, email="ada@example.com")
    assert (422, "guessable") == await refusal(client, secret, password="everyclick1")
    assert (422, "too_short") == await refusal(client, secret, password="short")
    assert 201 == (await client.post(SETUP, json={"token": secret, **ROOT})).status


async def test_the_command_is_the_request(client: Client, db: psycopg.AsyncConnection) -> None:
    """What the operator is told to type has the members that the route wants."""
    secret = await offered(db)
    told = setup.command("http://localhost:8080", secret)
    assert told.startswith("curl http://localhost:8080/api/v1/setup ")
    document = told.partition("-d '")[2].rstrip("'")
    sent = document.replace("EMAIL", "root@example.com").replace("PASSWORD", "correct horse")
    response = await client.post(SETUP, data=sent, headers={"Content-Type": "application/json"})
    assert 201 == response.status
