import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import yarl
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from service.app import create_app
from service.contract.postgres import Database
from service.settings import ServiceSettings
from tests.conftest import KEY
from tests.service.api.conftest import Person, person
from tests.support.declared import checking

Client = TestClient[Request, Application]
LINKS = "/api/v1/links"
URL = "https://example.com/%2561?a=b"


async def make(client: Client, who: Person, **fields: object) -> dict[str, str | None]:
    """Create a link and return it as answered."""
    response = await client.post(LINKS, json={"url": URL, **fields}, headers=who.headers)
    assert 201 == response.status, await response.text()
    link: dict[str, str | None] = await response.json()
    return link


async def test_create_answers_the_link(client: Client, ada: Person) -> None:
    """A new link has its target byte for byte, a code of 7, and addresses of ours only."""
    response = await client.post(
        LINKS, json={"url": URL}, headers={**ada.headers, "Host": "evil.example"}
    )
    link = await response.json()
    code = link["code"]
    assert (201, f"{LINKS}/{code}") == (response.status, response.headers["Location"])
    assert 7 == len(code)
    assert {
        "code": code,
        "url": URL,
        "short_url": f"http://127.0.0.1:8080/{code}",
        "title": None,
        "redirect_code": 302,
        "created_at": link["created_at"],
        "expires_at": None,
        "disabled_at": None,
        "owner": "ada@example.com",
    } == link
    assert link["created_at"].endswith("Z")
    assert link == await (await client.get(f"{LINKS}/{code}", headers=ada.headers)).json()


async def test_create_takes_what_it_is_given(client: Client, ada: Person) -> None:
    """Code, title and end are kept; an end is written in UTC."""
    link = await make(
        client, ada, code="spring", title=" Spring ", expires_at="2999-01-01T02:00:00+02:00"
    )
    assert ("spring", "Spring", "2999-01-01T00:00:00Z") == (
        link["code"],
        link["title"],
        link["expires_at"],
    )


@pytest.mark.parametrize(
    "fields, pointer, code",
    [
        ({"url": None}, "/url", "wrong_type"),
        ({"url": 7}, "/url", "wrong_type"),
        ({"url": "javascript:alert(1)"}, "/url", "unsafe_scheme"),
        ({"url": "//evil.example"}, "/url", "not_absolute"),
        ({"url": "https://a@evil.example/"}, "/url", "userinfo"),
        ({"url": "https://example.com/\x00"}, "/url", "bad_character"),
        ({"url": "https://example.com/\ud800"}, "/url", "bad_character"),
        ({"url": "https://example.com/" + "x" * 2029}, "/url", "too_long"),
        ({"url": "http://LOCALHOST.:8080/hello"}, "/url", "redirect_loop"),
        ({"url": "http://[::ffff:127.0.0.1]:8080/"}, "/url", "redirect_loop"),
        ({"code": ""}, "/code", "bad_code"),
        ({"code": "x" * 65}, "/code", "bad_code"),
        ({"code": "a/b"}, "/code", "bad_code"),
        ({"code": "a\x00"}, "/code", "bad_code"),
        ({"code": "Stats"}, "/code", "reserved_code"),
        ({"code": 7}, "/code", "wrong_type"),
        ({"title": "x" * 201}, "/title", "too_long"),
        ({"title": "a\x00b"}, "/title", "bad_character"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "in_the_past"),
        ({"expires_at": "2999-01-01T00:00:00"}, "/expires_at", "no_time_zone"),
        ({"expires_at": "2026-W01-1"}, "/expires_at", "bad_time"),
        ({"expires_at": 4102444800}, "/expires_at", "wrong_type"),
        ({"owner_id": 1}, "/owner_id", "unknown"),
        ({"clicks": 1}, "/clicks", "unknown"),
    ],
)
async def test_create_names_the_field(
    client: Client, ada: Person, fields: Mapping[str, object], pointer: str, code: str
) -> None:
    """What a link cannot be is 422, with the field and a stable reason."""
    response = await client.post(LINKS, json={"url": URL, **fields}, headers=ada.headers)
    problem = await response.json()
    assert (422, code) == (response.status, problem["code"])
    assert [pointer] == [error["pointer"] for error in problem["errors"]]


async def test_hosts_are_the_operator_s_to_allow(
    database: Database, db: psycopg.AsyncConnection
) -> None:
    """What is made and what is changed is held to the lists, whatever the request's Host says."""
    settings = ServiceSettings(
        allowed_hosts="good.example,go.example", base_url="https://go.example"
    )
    app = create_app(settings, database, KEY, print)
    async with TestClient(TestServer(app), trace_configs=[checking()]) as client:
        ada = await person(db, app, "ada@example.com")
        link = await make(client, ada, url="https://www.good.example/")
        for url, code in (
            ("https://bad.example/", "host_not_allowed"),
            ("https://go.example./hello", "redirect_loop"),
        ):
            headers = {**ada.headers, "Host": "bad.example"}
            made = await client.post(LINKS, json={"url": url}, headers=headers)
            changed = await client.patch(
                f"{LINKS}/{link['code']}", json={"url": url}, headers=headers
            )
            assert (422, code) == (made.status, (await made.json())["code"])
            assert (422, code) == (changed.status, (await changed.json())["code"])
        kept = await client.patch(
            f"{LINKS}/{link['code']}", json={"title": "x"}, headers=ada.headers
        )
        assert 200 == kept.status


async def test_code_is_given_once(client: Client, ada: Person) -> None:
    """Of 20 creates of one code at once, one is 201 and nineteen are 409."""
    answers = await asyncio.gather(
        *(
            client.post(LINKS, json={"url": URL, "code": "race"}, headers=ada.headers)
            for _ in range(20)
        )
    )
    assert [201] + [409] * 19 == sorted(answer.status for answer in answers)
    taken = next(answer for answer in answers if answer.status == 409)
    assert "code_taken" == (await taken.json())["code"]


async def test_twenty_want_one_code(client: Client, ada: Person) -> None:
    """Of twenty that ask for one code at once, one has it and nineteen are told that it is taken."""
    wanted = {"url": URL, "code": "wanted"}
    answers = await asyncio.gather(
        *(client.post(LINKS, json=wanted, headers=ada.headers) for _ in range(20))
    )
    assert [201, *[409] * 19] == sorted(answer.status for answer in answers)


async def test_codes_differ_by_case(client: Client, ada: Person) -> None:
    """Codes are told apart byte by byte."""
    await make(client, ada, code="abc")
    await make(client, ada, code="ABC")
    answer = await client.get(f"{LINKS}/Abc", headers=ada.headers)
    assert 404 == answer.status


@pytest.mark.parametrize("path", [f"{LINKS}/mine", "/stats/mine"])
async def test_whose_link_it_is(
    client: Client, ada: Person, bob: Person, admin: Person, path: str
) -> None:
    """Owner and admin see a link; others get 403, nobody 401, and an unknown code is 404."""
    await make(client, ada, code="mine")
    statuses = [
        (await client.get(path, headers=headers)).status
        for headers in (ada.headers, admin.headers, bob.headers, {})
    ]
    assert [200, 200, 403, 401] == statuses
    unknown = path.replace("mine", "yours")
    assert 404 == (await client.get(unknown, headers=bob.headers)).status
    assert 200 == (await client.head(path, headers=ada.headers)).status


async def test_who_may_change_and_delete(
    client: Client, ada: Person, bob: Person, admin: Person
) -> None:
    """Others can neither change nor delete a link; its owner and an admin can."""
    path = f"{LINKS}/{(await make(client, ada))['code']}"
    change = {"title": "x"}
    assert 401 == (await client.patch(path, json=change)).status
    assert 401 == (await client.delete(path)).status
    assert 403 == (await client.patch(path, json=change, headers=bob.headers)).status
    assert 403 == (await client.delete(path, headers=bob.headers)).status
    assert 200 == (await client.patch(path, json=change, headers=ada.headers)).status
    assert 200 == (await client.patch(path, json=change, headers=admin.headers)).status
    assert 204 == (await client.delete(path, headers=admin.headers)).status
    assert 404 == (await client.delete(path, headers=ada.headers)).status


@pytest.mark.parametrize(
    "code", ["a%00b", "a%2fb", "%2e%2e", "x" * 65, "a+b", "a;b", "%F0%9F%8E%89"]
)
async def test_impossible_codes_are_404(client: Client, ada: Person, code: str) -> None:
    """What no link can have is unknown, everywhere."""
    for path in (f"{LINKS}/{code}", f"/stats/{code}"):
        # Encoded already: a client would take the dots of a path for another path.
        response = await client.get(yarl.URL(path, encoded=True), headers=ada.headers)
        assert 404 == response.status


async def test_change_touches_only_what_is_given(client: Client, ada: Person) -> None:
    """Fields not given stay; null clears a title or an end; disabling is undone."""
    link = await make(client, ada, title="t", expires_at="2999-01-01T00:00:00Z")
    path = f"{LINKS}/{link['code']}"

    async def changed(**fields: object) -> dict[str, str | None]:
        response = await client.patch(path, json=fields, headers=ada.headers)
        assert 200 == response.status
        answer: dict[str, str | None] = await response.json()
        assert answer == await (await client.get(path, headers=ada.headers)).json()
        return answer

    assert {**link, "url": "https://other.example/"} == await changed(url="https://other.example/")
    assert (await changed(title=None))["title"] is None
    assert (await changed(expires_at=None))["expires_at"] is None
    disabled = await changed(disabled=True)
    assert disabled["disabled_at"] is not None
    assert disabled == await changed(disabled=True)
    assert (await changed(disabled=False))["disabled_at"] is None


@pytest.mark.parametrize(
    "fields, pointer, code",
    [
        ({}, "", "nothing_to_change"),
        ({"url": None}, "/url", "wrong_type"),
        ({"url": "ftp://example.com"}, "/url", "unsafe_scheme"),
        ({"url": "http://127.0.0.1:8080/hello"}, "/url", "redirect_loop"),
        ({"disabled": None}, "/disabled", "wrong_type"),
        ({"disabled": "yes"}, "/disabled", "wrong_type"),
        ({"code": "other"}, "/code", "unknown"),
        ({"disabled_at": "2020-01-01T00:00:00Z"}, "/disabled_at", "unknown"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "in_the_past"),
    ],
)
async def test_change_names_the_field(
    client: Client, ada: Person, fields: Mapping[str, object], pointer: str, code: str
) -> None:
    """What cannot become of a link is 422 and changes nothing."""
    path = f"{LINKS}/{(await make(client, ada))['code']}"
    response = await client.patch(path, json=fields, headers=ada.headers)
    problem = await response.json()
    assert (422, code) == (response.status, problem["code"])
    assert [pointer] == [error["pointer"] for error in problem["errors"]]


async def test_parallel_changes_keep_each_other(client: Client, ada: Person) -> None:
    """Two changes of different fields at once both last."""
    path = f"{LINKS}/{(await make(client, ada))['code']}"
    changes: list[dict[str, object]] = [{"title": "t"}, {"disabled": True}] * 5
    await asyncio.gather(*(client.patch(path, json=c, headers=ada.headers) for c in changes))
    link = await (await client.get(path, headers=ada.headers)).json()
    assert "t" == link["title"]
    assert link["disabled_at"] is not None


async def test_delete_leaves_word_for_the_relay(
    client: Client, db: psycopg.AsyncConnection, ada: Person
) -> None:
    """A deleted link is gone at once and its id waits for the relay to remove the clicks."""
    link = await make(client, ada, code="gone")
    cursor = await db.execute("SELECT id FROM links WHERE code = 'gone'")
    expected = await cursor.fetchone()
    response = await client.delete(f"{LINKS}/gone", headers=ada.headers)
    assert (204, b"") == (response.status, await response.read())
    assert 404 == (await client.get(f"{LINKS}/gone", headers=ada.headers)).status
    assert expected == await (await db.execute("SELECT link_id FROM deleted_links")).fetchone()
    assert link["code"] == (await make(client, ada, code="gone"))["code"]


async def test_list_is_paged_newest_first(client: Client, ada: Person, bob: Person) -> None:
    """Pages join without a gap or a double, and hold one's own links only."""
    codes = [(await make(client, ada))["code"] for _ in range(7)]
    await make(client, bob)
    seen: list[str] = []
    pages: list[int] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        params = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        page = await (await client.get(LINKS, params=params, headers=ada.headers)).json()
        pages.append(len(page["links"]))
        seen += [link["code"] for link in page["links"]]
        cursor = page["next"]
    assert ([3, 3, 1], codes[::-1]) == (pages, seen)


async def test_pages_are_linked(client: Client, ada: Person, admin: Person) -> None:
    """A Link header leads to each next page, of the same size and owner, and is not on the last."""
    codes = [(await make(client, ada))["code"] for _ in range(5)]
    seen: list[str] = []
    page = await client.get(f"{LINKS}?limit=2&owner=ada%40example.com", headers=admin.headers)
    while True:
        seen += [link["code"] for link in (await page.json())["links"]]
        if "Link" not in page.headers:
            break
        target = page.headers["Link"].removeprefix("<").removesuffix('>; rel="next"')
        assert target.startswith(f"{LINKS}?limit=2&")
        page = await client.get(target, headers=admin.headers)
    assert codes[::-1] == seen


async def test_last_full_page_has_no_next(client: Client, ada: Person) -> None:
    """A page that ends exactly at the last link says so."""
    await make(client, ada)
    page = await (await client.get(LINKS, params={"limit": "1"}, headers=ada.headers)).json()
    assert (1, None) == (len(page["links"]), page["next"])


async def test_admin_lists_others(client: Client, ada: Person, bob: Person, admin: Person) -> None:
    """An admin lists all links or one account's; nobody else does."""
    await make(client, ada)
    await make(client, bob)

    async def owners(**params: str) -> list[str]:
        response = await client.get(LINKS, params=params, headers=admin.headers)
        return [link["owner"] for link in (await response.json())["links"]]

    assert [] == await owners()
    assert ["bob@example.com", "ada@example.com"] == await owners(owner="all")
    assert ["ada@example.com"] == await owners(owner="ADA@example.com")
    assert [] == await owners(owner="nobody@example.com")
    assert [] == await owners(owner="\x00")
    for owner in ("all", "ada@example.com"):
        response = await client.get(LINKS, params={"owner": owner}, headers=bob.headers)
        assert 403 == response.status


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "cursor=-1",
        "cursor=",
        "cursor=" + "9" * 30,
        "limit=1&limit=2",
        "page=2",
        "cursor=%00",
        "cursor='%20OR%201=1",
    ],
)
async def test_list_refuses_other_queries(client: Client, ada: Person, query: str) -> None:
    """A parameter that is not understood is 422, never ignored."""
    assert 422 == (await client.get(f"{LINKS}?{query}", headers=ada.headers)).status


async def test_expired_link_is_still_its_owner_s(
    client: Client, db: psycopg.AsyncConnection, ada: Person
) -> None:
    """A link past its end can be read and given a new one."""
    link = await make(client, ada)
    await db.execute("UPDATE links SET expires_at = now() - interval '1 day'")
    path = f"{LINKS}/{link['code']}"
    assert 200 == (await client.get(path, headers=ada.headers)).status
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    response = await client.patch(path, json={"expires_at": later}, headers=ada.headers)
    assert 200 == response.status
