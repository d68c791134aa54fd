import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from argon2 import PasswordHasher

from service.app import create_app
from service.contract.postgres import Database
from service.settings import ServiceSettings
from service.store.users import user_by_email, user_disable

Client = TestClient[Request, Application]
ADA = {"email": "Ada@Example.com", "password": "correct horse"}
SIGNUP, LOGIN, LOGOUT, ME = (f"/api/v1/{name}" for name in ("signup", "login", "logout", "me"))


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
    async with TestClient(TestServer(app)) as client:
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
    await user_disable(db, "off@example.com")
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
        response = await client.post(LOGIN, json={**ADA, **changes})
        assert 401 == response.status
        assert "Set-Cookie" not in response.headers
        texts.add(await response.text())
    assert 1 == len(texts)
    assert "bad_credentials" in texts.pop()


async def test_login_takes_as_long_without_an_account(client: Client) -> None:
    """Who has an account cannot be read off a clock."""
    await client.post(SIGNUP, json=ADA)

    async def fastest(email: str) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            await client.post(LOGIN, json={"email": email, "password": "wrong horse"})
            times.append(time.perf_counter() - started)
        return min(times)

    known, unknown = await fastest("ada@example.com"), await fastest("nobody@example.com")
    assert known / 2 < unknown < known * 2


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


async def test_answers_are_not_cached(client: Client) -> None:
    """Nothing the API says may be kept by a cache or taken for another type."""
    response = await client.post(SIGNUP, json=ADA)
    assert ("no-store", "nosniff", "everyclick") == (
        response.headers["Cache-Control"],
        response.headers["X-Content-Type-Options"],
        response.headers["Server"],
    )
