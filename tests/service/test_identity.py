from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from service.api import operations
from service.app import create_app
from service.contract.observations import Observation
from service.contract.postgres import Database
from service.lifespan import TOKENS
from service.sessions import begin
from service.settings import ServiceSettings
from service.store.sessions import session_create, session_end
from service.store.users import user_create
from tests.conftest import KEY
from tests.service.api.conftest import person
from tests.support.accounts import disable
from tests.support.declared import checking
from tests.support.ledger import make_link

Client = TestClient[web.Request, web.Application]
ME = "/api/v1/me"


@pytest.fixture
async def token(db: psycopg.AsyncConnection, app: web.Application) -> str:
    """A token of Ada's."""
    ada = await person(db, app, "ada@example.com")
    return ada.headers["Authorization"].removeprefix("Bearer ")


def cookie(token: str) -> dict[str, str]:
    """Return the header a browser that keeps the token sends."""
    return {"Cookie": f"everyclick_session={token}"}


async def test_bearer_and_cookie_are_the_same_person(client: Client, token: str) -> None:
    """A token counts in the header, whatever case its scheme is in, and as the cookie."""
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"bEaReR  {token}"},
        cookie(token),
    ):
        response = await client.get(ME, headers=headers)
        assert (200, "ada@example.com") == (response.status, (await response.json())["email"])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Token {}",
        "{}",
        "Bearer {} x",
        "Bearer {},",
        "Bearer ü",
    ],
)
async def test_bad_header_is_401_whatever_the_cookie(
    client: Client, token: str, value: str
) -> None:
    """A header that does not hold is never made up for by a cookie that would."""
    headers = {"Authorization": value.format(token), **cookie(token)}
    response = await client.get(ME, headers=headers)
    assert (401, "Bearer") == (response.status, response.headers["WWW-Authenticate"])


async def test_every_401_is_the_same(client: Client, token: str) -> None:
    """No answer tells one wrong token from another, or from none."""
    texts = set()
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": f"Bearer {token}x"}):
        response = await client.get(ME, headers={**headers, "X-Request-Id": "same"})
        assert 401 == response.status
        texts.add(await response.text())
    assert 1 == len(texts)


async def test_two_headers_are_401(client: Client, token: str) -> None:
    """Two Authorization headers mean that two programs disagree: neither is believed."""
    headers = CIMultiDict([("Authorization", f"Bearer {token}")] * 2)
    assert 401 == (await client.get(ME, headers=headers)).status


@pytest.mark.parametrize("name", ["token", "access_token"])
async def test_token_in_the_url_is_none(client: Client, token: str, name: str) -> None:
    """URLs end up in logs and histories: a token there is not looked at."""
    assert 401 == (await client.get(ME, params={name: token})).status


async def test_ended_and_expired_sessions_are_401(
    client: Client, db: psycopg.AsyncConnection, app: web.Application
) -> None:
    """A token holds only as long as its session in the database does."""
    user = await user_create(db, "bob@example.com", "!")
    assert user is not None
    now = datetime.now(UTC)
    session = await begin(db, app[TOKENS], user.id, now)
    headers = {"Authorization": f"Bearer {session.token}"}
    assert 200 == (await client.get(ME, headers=headers)).status
    await session_end(db, app[TOKENS].read(session.token).session_id)
    assert 401 == (await client.get(ME, headers=headers)).status

    over = await begin(db, app[TOKENS], user.id, now)
    await db.execute("UPDATE sessions SET expires_at = now()")
    headers = {"Authorization": f"Bearer {over.token}"}
    assert 401 == (await client.get(ME, headers=headers)).status


async def test_session_of_another_user_is_401(
    client: Client, db: psycopg.AsyncConnection, app: web.Application, token: str
) -> None:
    """User and session of a token belong together."""
    ada = app[TOKENS].read(token)
    bob = await user_create(db, "bob@example.com", "!")
    assert bob is not None
    until = datetime.now(UTC) + timedelta(days=1)
    mixed = app[TOKENS].issue(bob.id, ada.session_id, datetime.now(UTC), until)
    response = await client.get(ME, headers={"Authorization": f"Bearer {mixed}"})
    assert 401 == response.status


async def test_disabled_user_is_401_at_once(
    client: Client, db: psycopg.AsyncConnection, token: str
) -> None:
    """Disabling an account ends what it can do with the tokens it has."""
    await disable(db, "ada@example.com")
    response = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
    assert 401 == response.status


async def test_role_is_the_database_s(
    client: Client, db: psycopg.AsyncConnection, token: str
) -> None:
    """A token says nothing about what its bearer may do."""
    headers = {"Authorization": f"Bearer {token}"}
    assert "user" == (await (await client.get(ME, headers=headers)).json())["role"]
    await db.execute("UPDATE users SET role = 'admin'")
    assert "admin" == (await (await client.get(ME, headers=headers)).json())["role"]


@pytest.mark.parametrize(
    "sent, status",
    [
        ({}, 204),
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({"Sec-Fetch-Site": "none"}, 204),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8080"}, 403),
        ({"Origin": "http://127.0.0.1:8080"}, 204),
        ({"Origin": "https://go.example", "Host": "go.example"}, 204),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "http://127.0.0.1:8080"}, 403),
        ({"Sec-Fetch-Site": "Same-Origin"}, 204),
        ({"Origin": "https://127.0.0.1:8080"}, 403),
        ({"Origin": "http://127.0.0.1:8081"}, 403),
        ({"Origin": "http://127.0.0.1:x"}, 403),
        ({"Origin": "http://127.0.0.1:8080.evil.example"}, 403),
        ({"Origin": "http://evil.example/127.0.0.1:8080", "Host": ""}, 403),
        ({"Referer": "https://evil.example/", "X-Forwarded-Host": "evil.example"}, 204),
    ],
)
async def test_cross_site_requests_with_a_cookie_are_403(
    client: Client, token: str, sent: dict[str, str], status: int
) -> None:
    """A cookie counts for a change only when the browser says that a page of ours asked."""
    response = await client.post("/api/v1/logout", headers={**cookie(token), **sent})
    assert status == response.status


@pytest.mark.parametrize(
    "method, path",
    [(o.method, o.path) for o in operations() if o.method not in {"GET", "HEAD"}],
)
@pytest.mark.parametrize(
    "sent", [{"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_nothing_that_changes_is_open_to_other_sites(
    client: Client,
    db: psycopg.AsyncConnection,
    token: str,
    method: str,
    path: str,
    sent: dict[str, str],
) -> None:
    """Every operation, with a cookie and without: nobody logs a browser in from elsewhere either."""
    for headers in (sent, {**sent, **cookie(token)}):
        response = await client.request(
            method, path.format(code="x", id=1), headers=headers, data=b"{"
        )
        assert (403, "cross_site") == (response.status, (await response.json())["code"])
    cursor = await db.execute("SELECT count(*) FROM users")
    assert (1,) == await cursor.fetchone()


async def test_with_base_url_the_host_header_is_not_asked(
    database: Database, observed: list[Observation]
) -> None:
    """What we are called is the settings' to say, once they do."""
    app = create_app(ServiceSettings(base_url="https://go.example"), database, KEY, observed.append)
    async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
        for origin, host, status in (
            ("https://go.example", "anything.example", 401),
            ("https://GO.example:443", "go.example", 401),
            ("http://go.example", "go.example", 403),
            ("https://evil.example", "evil.example", 403),
            ("https://www.go.example", "go.example", 403),
        ):
            headers = {"Origin": origin, "Host": host}
            response = await client.post("/api/v1/logout", headers=headers)
            assert status == response.status


async def test_reads_change_nothing(
    client: Client, db: psycopg.AsyncConnection, token: str
) -> None:
    """A GET with the cookie, from wherever it comes, leaves accounts, links and clicks as they are."""
    await make_link(db)
    states = set()
    for path in (None, *(o.path for o in operations() if o.method == "GET")):
        if path is not None:
            await client.get(path.format(code="hello", id=1), headers=cookie(token))
        rows = [
            await (
                await db.execute(f"SELECT count(*), max(xmin::text::bigint) FROM {table}")
            ).fetchone()
            for table in ("users", "sessions", "links", "outbox")
        ]
        states.add(str(rows))
    assert 1 == len(states)


async def test_cross_site_does_not_concern_bearers_and_reads(client: Client, token: str) -> None:
    """A header no other site can set needs no such check, nor does a read."""
    cross = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert 200 == (await client.get(ME, headers={**cookie(token), **cross})).status
    bearer = {"Authorization": f"Bearer {token}", **cross}
    assert 204 == (await client.post("/api/v1/logout", headers=bearer)).status


async def test_expired_sessions_are_swept_at_login(
    db: psycopg.AsyncConnection, app: web.Application
) -> None:
    """An account's sessions do not pile up for ever."""
    user = await user_create(db, "bob@example.com", "!")
    assert user is not None
    session = await begin(db, app[TOKENS], user.id, datetime.now(UTC))
    claims = app[TOKENS].read(session.token)
    await db.execute("UPDATE sessions SET expires_at = now() - interval '2 days'")
    await begin(db, app[TOKENS], user.id, datetime.now(UTC))
    cursor = await db.execute("SELECT count(*) FROM sessions")
    assert (1,) == await cursor.fetchone()
    await session_create(db, claims.session_id, user.id, session.expires_at)
