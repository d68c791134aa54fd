"""Login and logout."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from argon2 import PasswordHasher

from service import connections
from service.passwords import Passwords
from service.store.users import user_by_email
from tests.support.accounts import disable

Client = TestClient[Request, Application]
ADA = {"email": "ada@example.com", "password": "correct horse"}
SIGNUP, LOGIN, LOGOUT, ME = (f"/api/v1/{name}" for name in ("signup", "login", "logout", "me"))

SAME = {"X-Request-Id": "same"}
"""Requests of one name, so that their answers can be compared byte for byte."""


async def test_login_begins_another_session(client: Client) -> None:
    """Each login has a token of its own; all of them hold."""
    first = (await (await client.post(SIGNUP, json=ADA)).json())["token"]
    response = await client.post(LOGIN, json=ADA)
    answer = await response.json()
    assert (200, {"token", "expires_at"}) == (response.status, set(answer))
    assert "everyclick_session" in response.cookies
    assert first != answer["token"]
    for token in (first, answer["token"]):
        bearer = {"Authorization": f"Bearer {token}"}
        assert 200 == (await client.get(ME, headers=bearer)).status


async def test_login_failures_are_all_alike(client: Client, db: psycopg.AsyncConnection) -> None:
    """Wrong password, unknown or disabled account, impossible input: one answer, byte for byte."""
    await client.post(SIGNUP, json=ADA)
    await client.post(SIGNUP, json={**ADA, "email": "off@example.com"})
    await disable(db, "off@example.com")
    texts = set()
    for changes in (
        {"password": "wrong horse"},
        {"email": "nobody@example.com"},
        {"email": "off@example.com"},
        {"email": "not an e-mail"},
        {"email": "' OR 1=1 --"},
        {"password": ""},
        {"password": "x" * 50_000},
        {"password": "correct horse\x00"},
        {"password": "correct horse\ud800"},
    ):
        response = await client.post(LOGIN, json={**ADA, **changes}, headers=SAME)
        assert 401 == response.status
        assert "Set-Cookie" not in response.headers
        texts.add(await response.text())
    assert 1 == len(texts)
    assert "bad_credentials" in texts.pop()


async def test_login_renews_an_old_hash(client: Client, db: psycopg.AsyncConnection) -> None:
    """A hash of weaker parameters is replaced while the password is at hand."""
    await client.post(SIGNUP, json=ADA)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(ADA["password"])
    await db.execute("UPDATE users SET password_hash = %s", (weak,))
    assert 200 == (await client.post(LOGIN, json=ADA)).status
    user = await user_by_email(db, "ada@example.com")
    assert user is not None
    assert weak != user.password_hash
    assert 200 == (await client.post(LOGIN, json=ADA)).status


async def test_logout_ends_the_session_everywhere(client: Client) -> None:
    """After logout the token is worth nothing, and the browser forgets its cookie."""
    token = (await (await client.post(SIGNUP, json=ADA)).json())["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    response = await client.post(LOGOUT, headers=bearer)
    assert (204, b"") == (response.status, await response.read())
    assert 204 == (await client.post(LOGOUT, headers=bearer)).status
    assert "Max-Age=0" in response.headers["Set-Cookie"]
    assert 401 == (await client.get(ME, headers=bearer)).status
    assert 401 == (await client.get(ME)).status


async def test_logout_everywhere(client: Client) -> None:
    """Every session of the account ends, and nobody else's."""
    tokens = [(await (await client.post(SIGNUP, json=ADA)).json())["token"]]
    tokens += [(await (await client.post(LOGIN, json=ADA)).json())["token"] for _ in range(2)]
    other = await client.post(SIGNUP, json={**ADA, "email": "bob@example.com"})
    bob = {"Authorization": f"Bearer {(await other.json())['token']}"}
    first, *_ = headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
    assert 204 == (await client.post("/api/v1/logout-all", headers=first)).status
    assert [401] * 3 == [(await client.get(ME, headers=each)).status for each in headers]
    assert 401 == (await client.post("/api/v1/logout-all", headers=first)).status
    assert 200 == (await client.get(ME, headers=bob)).status


async def test_each_login_has_an_id_of_its_own(client: Client) -> None:
    """A session that a browser brings along is never taken up: no fixation."""
    before = (await client.post(SIGNUP, json=ADA)).cookies["everyclick_session"].value
    after = (await client.post(LOGIN, json=ADA)).cookies["everyclick_session"].value
    assert before != after


async def test_login_at_a_broken_hash_is_401(client: Client, db: psycopg.AsyncConnection) -> None:
    """A hash that is none is no fault of the request's, and matches nothing."""
    await client.post(SIGNUP, json=ADA)
    wrong = {**ADA, "password": "wrong horse"}
    right = await (await client.post(LOGIN, json=wrong, headers=SAME)).text()
    for broken in ("", "!", "$argon2id$", "ü"):
        await db.execute("UPDATE users SET password_hash = %s", (broken,))
        response = await client.post(LOGIN, json=ADA, headers=SAME)
        assert (401, right) == (response.status, await response.text())


async def test_login_while_the_password_changes(
    client: Client, db: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that is replaced while it is checked begins no session."""
    await client.post(SIGNUP, json=ADA)
    verify = Passwords.verify
    replaced = PasswordHasher(1, 1024, 1).hash("another horse")

    async def slow(passwords: Passwords, stored: str | None, password: str) -> bool:
        right = await verify(passwords, stored, password)
        await db.execute("UPDATE users SET password_hash = %s", (replaced,))
        return right

    monkeypatch.setattr(Passwords, "verify", slow)
    before = await sessions(db)
    assert 401 == (await client.post(LOGIN, json=ADA)).status
    assert before == await sessions(db)


async def sessions(db: psycopg.AsyncConnection) -> int:
    """Count the sessions that stand."""
    cursor = await db.execute("SELECT count(*) FROM sessions WHERE ended_at IS NULL")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_parallel_logins_renew_an_old_hash(
    client: Client, db: psycopg.AsyncConnection
) -> None:
    """All of them succeed, though each replaces the hash that the others have checked."""
    await client.post(SIGNUP, json=ADA)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(ADA["password"])
    await db.execute("UPDATE users SET password_hash = %s", (weak,))
    answers = await asyncio.gather(*(client.post(LOGIN, json=ADA) for _ in range(4)))
    assert [200] * 4 == [answer.status for answer in answers]


async def test_login_waits_no_longer_than_a_request_may(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When passwords are not checked in time it is 503 with Retry-After, and nothing is left over."""
    await client.post(SIGNUP, json=ADA)

    async def never(passwords: Passwords, stored: str | None, password: str) -> bool:
        del passwords, stored, password
        await asyncio.Event().wait()
        return True

    with monkeypatch.context() as patched:
        patched.setattr(Passwords, "verify", never)
        patched.setattr(connections, "SECONDS", 0.2)
        response = await client.post(LOGIN, json=ADA)
    assert (503, "1") == (response.status, response.headers["Retry-After"])
    assert 200 == (await client.post(LOGIN, json=ADA)).status
