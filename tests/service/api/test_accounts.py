import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from service.app import create_app
from service.contract.postgres import Database
from service.passwords import Passwords
from service.settings import ServiceSettings
from service.store.users import admins_lock, user_by_email, user_create, users_all
from tests.conftest import KEY
from tests.support.declared import checking

Client = TestClient[Request, Application]
ADA = {"email": "Ada@Example.com", "password": "correct horse"}
SIGNUP, LOGIN, ME = (f"/api/v1/{name}" for name in ("signup", "login", "me"))


async def test_signup_signs_in(client: Client) -> None:
    """An account's first answer holds its token, and the cookie does the same for a browser."""
    response = await client.post(SIGNUP, json=ADA)
    account = await response.json()
    assert 201 == response.status
    assert {"email", "role", "created_at", "token", "expires_at"} == account.keys()
    assert ("ada@example.com", "user") == (account["email"], account["role"])
    assert account["created_at"].endswith("Z")
    assert account["expires_at"].endswith("Z")
    lifetime = datetime.fromisoformat(account["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < lifetime <= timedelta(days=7)
    assert 200 == (await client.get(ME)).status  # by the cookie
    bearer = {"Authorization": f"Bearer {account['token']}"}
    assert 200 == (await client.get(ME, headers=bearer)).status


async def test_cookie_is_kept_from_scripts_and_other_sites(client: Client) -> None:
    """The cookie is HttpOnly, SameSite=Lax, for the whole site and a week; Secure only on https."""
    cookie = (await client.post(SIGNUP, json=ADA)).headers["Set-Cookie"]
    parts = {part.strip() for part in cookie.split(";")[1:]}
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"} == parts


async def test_cookie_is_secure_on_https(settings: ServiceSettings, database: Database) -> None:
    """A public https address keeps the cookie off plain connections."""
    settings = settings.model_copy(update={"base_url": "https://go.example"})
    app = create_app(settings, database, b"k" * 32, lambda _: None)
    async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
        response = await client.post(SIGNUP, json=ADA)
        assert "Secure" in response.headers["Set-Cookie"]


async def test_password_is_not_kept(client: Client, db: psycopg.AsyncConnection) -> None:
    """Only an argon2id hash is at rest."""
    await client.post(SIGNUP, json=ADA)
    user = await user_by_email(db, "ada@example.com")
    assert user is not None
    assert user.password_hash.startswith("$argon2id$")


async def test_email_is_taken_in_any_case(client: Client) -> None:
    """A second account with the e-mail is 409, however it is spelled."""
    await client.post(SIGNUP, json=ADA)
    response = await client.post(SIGNUP, json={**ADA, "email": "ADA@example.COM"})
    assert (409, "email_taken") == (response.status, (await response.json())["code"])


@pytest.mark.parametrize(
    "changes, pointer, code",
    [
        ({"email": "ada"}, "/email", "bad_email"),
        ({"email": "a\x00@example.com"}, "/email", "bad_email"),
        ({"password": "short"}, "/password", "too_short"),
        ({"password": "x" * 1025}, "/password", "too_long"),
        ({"password": "12345678\x00"}, "/password", "bad_character"),
        ({"password": "12345678\ud800"}, "/password", "bad_character"),
        ({"role": "admin"}, "/role", "unknown"),
    ],
)
async def test_signup_names_the_field(
    client: Client, changes: dict[str, str], pointer: str, code: str
) -> None:
    """What an account cannot be is 422; nobody makes themselves an admin."""
    response = await client.post(SIGNUP, json={**ADA, **changes})
    problem = await response.json()
    assert (422, code) == (response.status, problem["code"])
    assert pointer == problem["errors"][0]["pointer"]


async def test_answers_are_not_cached(client: Client) -> None:
    """Nothing the API says may be kept by a cache or taken for another type."""
    response = await client.post(SIGNUP, json=ADA)
    assert ("no-store", "nosniff", "everyclick") == (
        response.headers["Cache-Control"],
        response.headers["X-Content-Type-Options"],
        response.headers["Server"],
    )


@pytest.mark.parametrize(
    "switch, admin, status",
    [
        ("auto", False, 201),
        ("auto", True, 403),
        ("on", False, 201),
        ("on", True, 201),
        ("off", False, 403),
        ("off", True, 403),
    ],
)
async def test_signup_switch(
    settings: ServiceSettings,
    database: Database,
    db: psycopg.AsyncConnection,
    *,
    switch: str,
    admin: bool,
    status: int,
) -> None:
    """auto: open until there is an admin; off: never; on: always. Closed, no account is made."""
    if admin:
        await user_create(db, "root@example.com", "!", "admin")
    before = len(await users_all(db))
    app = create_app(settings.model_copy(update={"signup": switch}), database, KEY, lambda _: None)
    async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
        response = await client.post(SIGNUP, json=ADA)
        answer = await response.json()
    assert status == response.status
    assert (status == 403) == (answer.get("code") == "signup_closed")
    assert before + (status == 201) == len(await users_all(db))


async def test_signup_is_judged_in_its_transaction(
    client: Client, db: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin who comes while the password is hashed closes sign-up for that very request."""
    hash_ = Passwords.hash

    async def slow(passwords: Passwords, password: str) -> str:
        await user_create(db, "root@example.com", "!", "admin")
        return await hash_(passwords, password)

    monkeypatch.setattr(Passwords, "hash", slow)
    response = await client.post(SIGNUP, json=ADA)
    assert (403, "signup_closed") == (response.status, (await response.json())["code"])
    assert ["root@example.com"] == [user.email for user in await users_all(db)]


async def test_signup_waits_for_an_admin_in_the_making(
    client: Client, database: Database, db: psycopg.AsyncConnection
) -> None:
    """A transaction that makes an admin keeps sign-ups waiting, and closes them when it commits."""
    async with await database.aconnect("everyclick-test") as other, other.transaction():
        await admins_lock(other)
        await user_create(other, "root@example.com", "!", "admin")
        signing_up = asyncio.create_task(client.post(SIGNUP, json=ADA))
        while not await waiting(db):  # noqa: ASYNC110 - another session's state
            await asyncio.sleep(0.01)
        assert not signing_up.done()
    assert 403 == (await signing_up).status


async def waiting(db: psycopg.AsyncConnection) -> bool:
    """Whether somebody waits for an advisory lock in this database."""
    cursor = await db.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    return (await cursor.fetchone()) == (True,)


@pytest.mark.parametrize("password", ["everyclick1", "Password123!", "ada@example.com", "12345678"])
async def test_signup_refuses_what_is_tried_first(client: Client, password: str) -> None:
    """A guessable password is 422; the field is named, the password is not repeated."""
    response = await client.post(SIGNUP, json={**ADA, "password": password})
    problem = await response.json()
    assert (422, "guessable") == (response.status, problem["code"])
    assert "/password" == problem["errors"][0]["pointer"]
    assert password not in await response.text()


@pytest.mark.parametrize("length", [8, 64, 65, 200, 1024])
async def test_no_character_of_a_password_is_dropped(client: Client, length: int) -> None:
    """The last of 64, 65 or 1024 characters counts as much as the first."""
    password = ("correct horse " * 100)[: length - 1] + "A"
    assert 201 == (await client.post(SIGNUP, json={**ADA, "password": password})).status
    for changed in (password[:-1] + "B", password[:-1], password + "A"):
        response = await client.post(LOGIN, json={**ADA, "password": changed})
        assert 401 == response.status
    assert 200 == (await client.post(LOGIN, json={**ADA, "password": password})).status
