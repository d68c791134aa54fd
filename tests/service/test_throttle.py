"""Guesses are bounded, whoever makes them how; users are not limited for being right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from service import throttle
from service.app import create_app
from service.contract.postgres import Database
from service.passwords import Passwords
from service.settings import ServiceSettings
from service.store.users import user_create
from service.throttle import Throttle
from tests.conftest import KEY
from tests.service.api.conftest import person
from tests.support.declared import checking

Client = TestClient[Request, Application]
LOGIN, SIGNUP, ME = (f"/api/v1/{name}" for name in ("login", "signup", "me"))
ADA, WRONG, RIGHT = "ada@example.com", "wrong horse", "correct horse"

Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compared with a hash; comparing costs nothing here, RIGHT is right."""
    compared: list[str] = []

    async def verify(_: Passwords, stored: str | None, password: str) -> bool:
        compared.append(password)
        await asyncio.sleep(0)
        return stored is not None and password == RIGHT

    async def hashed(_: Passwords, password: str) -> str:
        return "!"

    monkeypatch.setattr(Passwords, "verify", verify)
    monkeypatch.setattr(Passwords, "hash", hashed)
    monkeypatch.setattr(Passwords, "needs_rehash", lambda _self, _stored: False)
    return compared


@pytest.fixture
async def serve(
    settings: ServiceSettings, database: Database, db: psycopg.AsyncConnection
) -> AsyncIterator[Serve]:
    """Starts the service once more, each with settings of its own; there is an account, ADA."""
    await user_create(db, ADA, "!")
    async with AsyncExitStack() as stack:

        async def serve(**changes: object) -> Client:
            app = create_app(settings.model_copy(update=changes), database, KEY, lambda _: None)
            return await stack.enter_async_context(
                TestClient(TestServer(app), trace_configs=[checking()])
            )

        yield serve


async def login(client: Client, email: str = ADA, password: str = WRONG) -> int:
    """Try to log in and return the status; 429 must say when to come again."""
    async with client.post(LOGIN, json={"email": email, "password": password}) as response:
        if response.status == 429:
            assert "too_many_requests" == (await response.json())["code"]
            assert 0 < int(response.headers["Retry-After"]) <= 900
        return response.status


async def test_twenty_at_once(serve: Serve, compared: list[str]) -> None:
    """Of 20 wrong logins at once, to two processes, 10 reach the hash."""
    clients = [await serve(), await serve()]
    told = await asyncio.gather(*(login(clients[n % 2]) for n in range(20)))
    assert ([401] * 10 + [429] * 10, 10) == (sorted(told), len(compared))


@pytest.mark.parametrize("email", [ADA, "nobody@example.com"])
async def test_known_and_unknown_alike(serve: Serve, compared: list[str], email: str) -> None:
    """The limit says nothing of who has an account; spelling an e-mail otherwise is no new one."""
    client = await serve(login_limit=3)
    told = [await login(client, spelt) for spelt in (email, email.upper(), email, email.title())]
    assert ([401] * 3 + [429], 3) == (told, len(compared))


async def test_the_right_password_is_no_way_around(serve: Serve, compared: list[str]) -> None:
    """Past the limit the right password is not compared either; other accounts go on."""
    client = await serve(login_limit=2)
    assert [401, 401] == [await login(client) for _ in range(2)]
    assert (429, 2) == (await login(client, ADA, RIGHT), len(compared))
    assert 401 == await login(client, "bob@example.com")


async def test_being_right_is_not_limited(serve: Serve, compared: list[str]) -> None:
    """Successes use nothing up, in whatever number; failures between them do."""
    client = await serve(login_limit=2, address_limit=2)
    assert {200} == {await login(client, ADA, RIGHT) for _ in range(10)}
    assert 401 == await login(client)
    assert {200} == {await login(client, ADA, RIGHT) for _ in range(10)}
    assert 401 == await login(client)
    assert 429 == await login(client, ADA, RIGHT)


async def test_no_lock_out_is_for_ever(
    serve: Serve, compared: list[str], db: psycopg.AsyncConnection
) -> None:
    """After the time that Retry-After tells, the right password is let in."""
    client = await serve(login_limit=1)
    assert 401 == await login(client)
    response = await client.post(LOGIN, json={"email": ADA, "password": RIGHT})
    assert 429 == response.status
    after = timedelta(seconds=int(response.headers["Retry-After"]))
    await db.execute("UPDATE allowances SET full_at = full_at - %s", (after,))
    assert 200 == await login(client, ADA, RIGHT)
    await db.execute("DELETE FROM allowances")
    assert 401 == await login(client)
    await db.execute("UPDATE allowances SET full_at = full_at - %s", (after,))
    assert 200 == await login(client, ADA, RIGHT)


async def test_an_address_is_limited(serve: Serve, compared: list[str]) -> None:
    """Trying one password on many accounts is bounded by address, and costs no account anything."""
    client = await serve(login_limit=2, address_limit=5)
    told = [await login(client, f"user{n}@example.com") for n in range(7)]
    assert [401] * 5 + [429] * 2 == told


async def test_a_refused_address_costs_the_account_nothing(
    serve: Serve, compared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is over the address's limit cannot use up somebody's account as well."""
    client = await serve(login_limit=3, address_limit=2)
    told = [await login(client) for _ in range(9)]
    assert [401] * 2 + [429] * 7 == told
    monkeypatch.setattr(throttle, "address_of", lambda _request: "192.0.2.9")
    assert 200 == await login(client, ADA, RIGHT)


async def test_neighbours_in_ipv6_are_one(
    serve: Serve, compared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The addresses of a /64 are one client's."""
    client = await serve(address_limit=3)
    told = []
    for n in range(5):
        monkeypatch.setattr(throttle, "address_of", lambda _request, n=n: f"2001:db8::{n}")
        told.append(await login(client, f"user{n}@example.com"))
    assert [401] * 3 + [429] * 2 == told


async def test_a_restart_forgets_nothing(serve: Serve, compared: list[str]) -> None:
    """Counters are the database's: a new process goes on where the old one was."""
    first = await serve(login_limit=2)
    assert [401, 401] == [await login(first) for _ in range(2)]
    await first.close()
    assert (429, 2) == (await login(await serve(login_limit=2)), len(compared))


async def test_without_the_database_nothing_is_compared(
    serve: Serve, compared: list[str], db: psycopg.AsyncConnection
) -> None:
    """Where nobody can count the answer is 503, not a free guess."""
    client = await serve()
    await db.execute("ALTER TABLE allowances RENAME TO elsewhere")
    assert (503, []) == (await login(client, ADA, RIGHT), compared)


async def test_zero_is_no_limit(
    serve: Serve, compared: list[str], db: psycopg.AsyncConnection
) -> None:
    """Limits can be switched off, and then nothing is written."""
    client = await serve(login_limit=0, address_limit=0)
    assert {401} == {await login(client) for _ in range(70)}
    cursor = await db.execute("SELECT count(*) FROM allowances")
    assert (0,) == await cursor.fetchone()


async def test_sign_ups_are_limited_by_address(serve: Serve, compared: list[str]) -> None:
    """Whoever makes accounts by the dozen is stopped; logging in has an allowance of its own."""
    client = await serve(address_limit=3)
    told = []
    for n in range(5):
        account = {"email": f"user{n}@example.com", "password": RIGHT}
        told.append((await client.post(SIGNUP, json=account)).status)
    assert [201] * 3 + [429] * 2 == told
    assert 200 == await login(client, ADA, RIGHT)


async def test_a_session_guesses_no_faster(
    serve: Serve, compared: list[str], db: psycopg.AsyncConnection
) -> None:
    """Whoever has a session finds its owner's password no faster than whoever has none."""
    client = await serve(login_limit=3)
    eve = await person(db, client.app, "eve@example.com")
    change = {"current": WRONG, "new": "another battery and staple"}
    told = []
    for _ in range(5):
        response = await client.post("/api/v1/password", json=change, headers=eve.headers)
        told.append(response.status)
    assert ([422] * 3 + [429] * 2, 3) == (told, len(compared))


async def test_setup_tokens_are_not_guessed(serve: Serve, compared: list[str]) -> None:
    """Tries at the setup token are bounded by address."""
    client = await serve(address_limit=3)
    wanted = {"token": "x" * 43, "email": "root@example.com", "password": RIGHT}
    told = [(await client.post("/api/v1/setup", json=wanted)).status for _ in range(5)]
    assert [403] * 3 + [429] * 2 == told


async def test_behind_a_proxy_each_client_counts_for_itself(
    serve: Serve, compared: list[str]
) -> None:
    """A trusted proxy's word tells clients apart; of anybody else's nothing is believed."""
    for proxies, expected in (("1", [401, 401, 401]), (None, [401, 429, 429])):
        client = await serve(address_limit=1, trusted_proxies=proxies)
        told = []
        for n in range(3):
            response = await client.post(
                LOGIN,
                json={"email": f"user{n}@example.com", "password": WRONG},
                headers={"X-Forwarded-For": f"192.0.2.{n}"},
            )
            told.append(response.status)
        assert expected == told


async def test_no_address_is_kept(
    serve: Serve, compared: list[str], db: psycopg.AsyncConnection
) -> None:
    """What is counted is kept under a keyed hash: the table says neither who nor from where."""
    client = await serve()
    await login(client)
    cursor = await db.execute("SELECT key FROM allowances")
    keys = [row[0] for row in await cursor.fetchall()]
    assert [32, 32] == [len(key) for key in keys]
    other = Throttle(ServiceSettings(), b"another key, as long as it has to be")
    told = {("login address", "127.0.0.1"), ("login account", ADA)}
    assert not {other.key(*each) for each in told} & set(keys)
    assert {Throttle(ServiceSettings(), KEY).key(*each) for each in told} == set(keys)


async def test_requests_tell_what_is_left(serve: Serve, db: psycopg.AsyncConnection) -> None:
    """Every answer to a user says the policy and the rest; past it 429, for all their tokens."""
    client = await serve(api_rate_limit=3)
    ada = await person(db, client.app, "eve@example.com")
    told = []
    for path in (ME, "/api/v1/links/none", "/api/v1/links?limit=0", ME):
        response = await client.get(path, headers=ada.headers)
        assert '"default";q=3;w=60' == response.headers["RateLimit-Policy"]
        told.append((response.status, response.headers["RateLimit"]))
    assert [
        (200, '"default";r=2;t=20'),
        (404, '"default";r=1;t=40'),
        (422, '"default";r=0;t=60'),
        (429, '"default";r=0;t=60'),
    ] == told
    refused = await client.get(ME, headers=ada.headers)
    assert 0 < int(refused.headers["Retry-After"]) <= 20
    bob = await person(db, client.app, "bob@example.com")
    assert 200 == (await client.get(ME, headers=bob.headers)).status


async def test_strangers_are_told_nothing(serve: Serve) -> None:
    """Who is nobody has no allowance to be told of, and none is kept."""
    response = await (await serve()).get(ME)
    assert 401 == response.status
    assert "RateLimit" not in response.headers


async def test_no_rate_limit(serve: Serve, db: psycopg.AsyncConnection) -> None:
    """With API_RATE_LIMIT=0 there is neither header nor count."""
    client = await serve(api_rate_limit=0)
    ada = await person(db, client.app, "eve@example.com")
    response = await client.get(ME, headers=ada.headers)
    assert (200, None) == (response.status, response.headers.get("RateLimit"))
    cursor = await db.execute("SELECT count(*) FROM allowances")
    assert (0,) == await cursor.fetchone()
