import asyncio
from collections.abc import AsyncIterator

import psycopg
import psycopg_pool
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from service.contract.observations import (
    DatabaseUnavailable,
    Observation,
    RequestFailed,
    RequestServed,
)
from service.draining import Draining
from service.errors import CodeTaken, Invalid, Unauthenticated
from service.headers import EVERY
from service.lifespan import DRAINING, HEADERS, OBSERVE
from service.problem import FieldProblem
from service.problems import ANYTHING, guarded, other_methods, problems, unmatched

Client = TestClient[web.Request, web.Application]

RAISED: dict[str, BaseException] = {
    "taken": CodeTaken("Choose another code."),
    "unauthenticated": Unauthenticated(),
    "invalid": Invalid([FieldProblem("/url", "Use https.", "unsafe_scheme")]),
    "lost": psycopg.OperationalError("server closed the connection"),
    "pool": psycopg_pool.PoolTimeout("no connection"),
    "shed": psycopg_pool.TooManyRequests("too many"),
    "standby": psycopg.errors.ReadOnlySqlTransaction("read-only"),
    "late": TimeoutError(),
    "bug": ZeroDivisionError("secret words"),
    "teapot": web.HTTPUpgradeRequired(),
}


async def _raise(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name == "fine":
        return web.json_response({})
    raise RAISED[name]


async def _redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "https://example.com/"})


@pytest.fixture
async def failing(observed: list[Observation]) -> AsyncIterator[Client]:
    """A client of an app that fails in every way."""
    app = web.Application()
    app[OBSERVE] = observed.append
    app[DRAINING] = Draining()
    app[HEADERS] = EVERY
    app.router.add_get("/raise/{name}", guarded(_raise))
    app.router.add_route("*", "/raise/{name}", guarded(other_methods(["HEAD", "GET"])))
    app.router.add_get("/{code}", _redirect)
    app.router.add_route("*", ANYTHING, guarded(unmatched))
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    "name, status, code",
    [
        ("taken", 409, "code_taken"),
        ("unauthenticated", 401, "unauthenticated"),
        ("invalid", 422, "unsafe_scheme"),
        ("lost", 503, "unavailable"),
        ("pool", 503, "unavailable"),
        ("shed", 503, "unavailable"),
        ("standby", 503, "unavailable"),
        ("late", 503, "unavailable"),
        ("bug", 500, "internal_error"),
        ("teapot", 426, "upgrade_required"),
    ],
)
async def test_errors_are_problem_documents(
    failing: Client, name: str, status: int, code: str
) -> None:
    """Every error leaves in one shape, with the headers every answer has."""
    response = await failing.get(f"/raise/{name}")
    problem = await response.json(content_type="application/problem+json")
    assert (status, status, code) == (response.status, problem["status"], problem["code"])
    assert {"type", "title"} <= problem.keys()
    assert EVERY == {name: response.headers[name] for name in EVERY}
    assert ("1" if status == 503 else None) == response.headers.get("Retry-After")
    assert ("Bearer" if status == 401 else None) == response.headers.get("WWW-Authenticate")


async def test_problems_of_fields_are_listed(failing: Client) -> None:
    """Each field's problem has a pointer, words and a code."""
    problem = await (await failing.get("/raise/invalid")).json()
    expected = [{"pointer": "/url", "detail": "Use https.", "code": "unsafe_scheme"}]
    assert expected == problem["errors"]


async def test_unmatched_paths_and_methods(failing: Client) -> None:
    """The router's own 404 and 405 have the same shape; 405 names what is allowed."""
    missing = await failing.get("/no/such/page")
    assert (404, "not_found") == (missing.status, (await missing.json())["code"])
    refused = await failing.post("/raise/fine")
    assert (405, "method_not_allowed") == (refused.status, (await refused.json())["code"])
    assert "GET,HEAD" == refused.headers["Allow"]


async def test_bug_is_reported_and_not_shown(failing: Client, observed: list[Observation]) -> None:
    """An unexpected error is reported with its trace; the client learns nothing of it."""
    response = await failing.get("/raise/bug")
    assert "secret words" not in await response.text()
    failed = [seen for seen in observed if isinstance(seen, RequestFailed)]
    assert [("GET", "/raise/{name}", RAISED["bug"])] == [
        (f.method, f.route, f.error) for f in failed
    ]


async def test_unavailable_database_is_reported(
    failing: Client, observed: list[Observation]
) -> None:
    """A lost database is an observation of its own, not a failure of ours."""
    await failing.get("/raise/lost")
    assert DatabaseUnavailable("request", "server closed the connection") == observed[0]


async def test_each_request_is_reported_once(failing: Client, observed: list[Observation]) -> None:
    """One canonical line per request, by route; a redirect reports itself."""
    await failing.get("/raise/fine?x=1")
    await failing.get("/no/such/page")
    await failing.get("/code", allow_redirects=False)
    served = [(s.method, s.route, s.status) for s in observed if isinstance(s, RequestServed)]
    assert [("GET", "/raise/{name}", 200), ("GET", "unmatched", 404)] == served


async def test_redirect_is_left_alone(failing: Client) -> None:
    """The hot path's headers are its own."""
    response = await failing.get("/code", allow_redirects=False)
    assert 302 == response.status
    assert "X-Content-Type-Options" not in response.headers


async def test_cancellation_passes(observed: list[Observation]) -> None:
    """A request that is cancelled is not answered 500."""
    app = web.Application()
    app[OBSERVE] = observed.append
    app[DRAINING] = Draining()
    app[HEADERS] = EVERY

    async def cancelled(_: web.Request) -> web.StreamResponse:
        raise asyncio.CancelledError

    request = make_mocked_request("GET", "/", app=app)
    with pytest.raises(asyncio.CancelledError):
        await problems(request, cancelled)
    assert [] == observed
