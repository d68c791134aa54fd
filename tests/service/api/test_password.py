"""A change of password."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

Client = TestClient[Request, Application]
ADA = {"email": "ada@example.com", "password": "correct horse"}
CHANGE = {"current": "correct horse", "new": "better horse"}
SIGNUP, LOGIN, PASSWORD, ME = (f"/api/v1/{n}" for n in ("signup", "login", "password", "me"))


async def begun(client: Client, path: str) -> dict[str, str]:
    """Begin a session; return the header that carries it."""
    return bearer((await (await client.post(path, json=ADA)).json())["token"])


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"Authorization": f"Bearer {token}"}


async def test_change_ends_every_other_session(client: Client) -> None:
    """200 with a new session; all before it are 401; the new password is the only one."""
    here, there = await begun(client, SIGNUP), await begun(client, LOGIN)
    response = await client.post(PASSWORD, json=CHANGE, headers=here)
    answer = await response.json()
    assert (200, {"token", "expires_at"}) == (response.status, answer.keys())
    assert answer["token"] == response.cookies["everyclick_session"].value
    for headers, status in ((here, 401), (there, 401), (bearer(answer["token"]), 200)):
        assert status == (await client.get(ME, headers=headers)).status
    assert 401 == (await client.post(LOGIN, json=ADA)).status
    assert 200 == (await client.post(LOGIN, json={**ADA, "password": "better horse"})).status


@pytest.mark.parametrize(
    "changes, pointer, code",
    [
        ({"current": "wrong horse"}, "/current", "wrong_password"),
        ({"current": ""}, "/current", "wrong_password"),
        ({"current": "x" * 2000}, "/current", "wrong_password"),
        ({"current": "correct horse\ud800"}, "/current", "wrong_password"),
        ({"new": "short"}, "/new", "too_short"),
        ({"new": "x" * 1025}, "/new", "too_long"),
        ({"new": "everyclick1"}, "/new", "guessable"),
        ({"new": "ada@example.com"}, "/new", "guessable"),
    ],
)
async def test_refused_change_changes_nothing(
    client: Client, changes: dict[str, str], pointer: str, code: str
) -> None:
    """422 names the field; password and sessions stay."""
    here = await begun(client, SIGNUP)
    response = await client.post(PASSWORD, json={**CHANGE, **changes}, headers=here)
    problem = await response.json()
    assert (422, code) == (response.status, problem["code"])
    assert pointer == problem["errors"][0]["pointer"]
    assert 200 == (await client.get(ME, headers=here)).status
    assert 200 == (await client.post(LOGIN, json=ADA)).status


async def test_change_needs_a_session(client: Client) -> None:
    """Without one it is 401, whatever the body."""
    assert 401 == (await client.post(PASSWORD, json=CHANGE)).status


async def test_of_parallel_changes_one_counts(client: Client, db: psycopg.AsyncConnection) -> None:
    """Of four that all know the password one is 200; one session stands."""
    here = await begun(client, SIGNUP)
    answers = await asyncio.gather(
        *(
            client.post(PASSWORD, json={**CHANGE, "new": f"better horse {n}"}, headers=here)
            for n in range(4)
        )
    )
    assert 1 == [answer.status for answer in answers].count(200)
    assert {200, 401, 422} >= {answer.status for answer in answers}
    cursor = await db.execute("SELECT count(*) FROM sessions WHERE ended_at IS NULL")
    assert (1,) == await cursor.fetchone()


async def test_change_by_cookie_from_another_site_is_403(client: Client) -> None:
    """The browser's cookie alone is not enough."""
    await client.post(SIGNUP, json=ADA)
    response = await client.post(PASSWORD, json=CHANGE, headers={"Sec-Fetch-Site": "cross-site"})
    assert 403 == response.status
