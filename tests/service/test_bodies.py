import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service import bodies
from service.bodies import Body, Query, body, query
from service.contract.observations import Observation, RequestFailed
from service.draining import Draining
from service.lifespan import DRAINING, HEADERS, OBSERVE
from service.problems import guarded
from service.validation import PROBLEMS

Client = TestClient[web.Request, web.Application]
JSON = {"Content-Type": "application/json"}


class Thing(Body):
    """A body with a required and an optional field."""

    name: str
    size: int | None = None


class Asked(Query):
    """A query with a number."""

    limit: int = 50


async def _make(request: web.Request) -> web.Response:
    thing = await body(request, Thing)
    return web.json_response({"name": thing.name})


async def _ask(request: web.Request) -> web.Response:
    return web.json_response({"limit": query(request, Asked).limit})


@pytest.fixture
async def things(observed: list[Observation]) -> AsyncIterator[Client]:
    """A client of an app that reads bodies and queries, and must never fail at it."""
    app = web.Application()
    app[OBSERVE] = observed.append
    app[DRAINING] = Draining()
    app[HEADERS] = {}
    app.router.add_post("/things", guarded(_make))
    app.router.add_get("/things", guarded(_ask))
    async with TestClient(TestServer(app)) as client:
        yield client
    assert [] == [seen for seen in observed if isinstance(seen, RequestFailed)]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/vnd.everyclick+json",
    ],
)
async def test_json_is_read(things: Client, content_type: str) -> None:
    """JSON in UTF-8 is read whatever its type is called."""
    response = await things.post(
        "/things", data='{"name": "ü"}'.encode(), headers={"Content-Type": content_type}
    )
    assert (200, {"name": "ü"}) == (response.status, await response.json())


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/x+json",
        "application/json; charset=bogus",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "ü",
        "",
        ";;;",
    ],
)
async def test_other_types_are_415(things: Client, content_type: str) -> None:
    """A form or a foreign charset is not read: a plain HTML form can send nothing here."""
    response = await things.post(
        "/things", data=b'{"name": "x"}', headers={"Content-Type": content_type}
    )
    assert 415 == response.status
    assert "unsupported_type" == (await response.json())["code"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"x"',
        b'\xef\xbb\xbf{"name": "x"}',
        b'{"name": "\xff"}',
        '{"name": "x"}'.encode("utf-16"),
        b"[" * 60_000,
        b'{"name":' * 7000,
        b'{"size": ' + b"9" * 5000 + b"}",
        b'{"size": NaN}',
        b'{"size": -Infinity}',
        b'{"name": "a\nb"}',
        b'{"name": "x"} {}',
        b'{"name": "x", "deep": {' + b",".join(b'"%d": 1' % n for n in range(101)) + b"}}",
    ],
)
async def test_what_is_no_json_object_is_400(things: Client, data: bytes) -> None:
    """Whatever is wrong with the text itself, the answer says so and nothing breaks."""
    response = await things.post("/things", data=data, headers=JSON)
    assert 400 == response.status
    assert "invalid_json" == (await response.json())["code"]


@pytest.mark.parametrize(
    "data, pointer, code",
    [
        (b"{}", "/name", "missing"),
        (b'{"name": null}', "/name", "wrong_type"),
        (b'{"name": 7}', "/name", "wrong_type"),
        (b'{"name": "x", "size": "7"}', "/size", "wrong_type"),
        (b'{"name": "x", "size": 1e400}', "/size", "wrong_type"),
        (b'{"name": "x", "owner_id": 1}', "/owner_id", "unknown"),
        (b'{"name": "x", "a/b~c": 1}', "/a~1b~0c", "unknown"),
        (b'{"name": "x", "\\ud800": 1}', "", "bad_value"),
        (b'{"name": "x", "name": "y"}', "/name", "repeated"),
        (b'{"name": {"a": 1, "a": 2}}', "/a", "repeated"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "/?", "repeated"),
    ],
)
async def test_fields_are_named(things: Client, data: bytes, pointer: str, code: str) -> None:
    """A field that cannot be accepted is 422 and named by a JSON pointer."""
    response = await things.post("/things", data=data, headers=JSON)
    problem = await response.json()
    assert (422, code) == (response.status, problem["code"])
    assert [(pointer, code)] == [(e["pointer"], e["code"]) for e in problem["errors"]]


async def test_all_problems_are_told_at_once(things: Client) -> None:
    """Several problems have the code of none of them."""
    response = await things.post("/things", data=b'{"size": "x", "z": 1}', headers=JSON)
    problem = await response.json()
    assert "invalid" == problem["code"]
    assert {"/name", "/size", "/z"} == {error["pointer"] for error in problem["errors"]}


@pytest.mark.parametrize(
    "data",
    [
        "{" + ",".join(f'"{n}": 1' for n in range(bodies.MEMBERS)) + "}",
        '{"name": [' + ",".join(['{"a": 1, "a": 2}'] * 1000) + "]}",
    ],
)
async def test_problems_are_bounded(things: Client, data: str) -> None:
    """A body of unknown fields, or of many said twice, has a short answer."""
    response = await things.post("/things", data=data.encode(), headers=JSON)
    assert PROBLEMS == len((await response.json())["errors"])


async def test_large_body_is_413(things: Client) -> None:
    """64 KiB are read, one byte more is not, announced or not, compressed or not."""
    fits = b'{"name": "x"}'.ljust(bodies.LIMIT)
    assert 200 == (await things.post("/things", data=fits, headers=JSON)).status
    zipped = {**JSON, "Content-Encoding": "gzip"}
    assert 200 == (await things.post("/things", data=gzip.compress(fits), headers=zipped)).status

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(bodies.LIMIT // 1024 + 1):
            yield b" " * 1024

    for response in (
        await things.post("/things", data=fits + b" ", headers=JSON),
        await things.post("/things", data=chunks(), headers=JSON),
        await things.post("/things", data=gzip.compress(bytes(50_000_000)), headers=zipped),
    ):
        assert 413 == response.status
        assert "too_large" == (await response.json())["code"]


async def test_broken_compression_is_400(things: Client) -> None:
    """A body that is not what its encoding says is the client's mistake."""
    zipped = {**JSON, "Content-Encoding": "gzip"}
    for data in (b"not gzip at all", gzip.compress(b'{"name": "x"}')[:12]):
        response = await things.post("/things", data=data, headers=zipped)
        assert 400 == response.status


async def _raw(client: Client, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"POST /things HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def test_slow_body_is_408(things: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that never comes ends in an answer and a closed connection, not in a hang."""
    monkeypatch.setattr(bodies, "SECONDS", 0.05)
    reader, writer = await _raw(things, "Content-Type: application/json\r\nContent-Length: 10")
    assert b"HTTP/1.1 408" == (await reader.read(12))
    writer.close()


async def test_client_that_leaves_is_no_failure(
    things: Client, observed: list[Observation]
) -> None:
    """A client that goes away in the middle of its body is nobody's error."""
    _, writer = await _raw(things, "Content-Type: application/json\r\nContent-Length: 10")
    await asyncio.sleep(0.05)
    writer.close()
    for _ in range(100):
        if observed:
            break
        await asyncio.sleep(0.01)
    assert not any(isinstance(seen, RequestFailed) for seen in observed)


async def test_query_is_read(things: Client) -> None:
    """A parameter is read as its type, an absent one has its default."""
    assert {"limit": 50} == await (await things.get("/things")).json()
    assert {"limit": 7} == await (await things.get("/things?limit=7")).json()


@pytest.mark.parametrize(
    "text, pointer, code",
    [
        ("limit=7&limit=8", "limit", "repeated"),
        ("other=1", "other", "unknown"),
        ("token=x", "token", "unknown"),
        ("limit=", "limit", "bad_value"),
        ("limit=x", "limit", "bad_value"),
        ("limit=%00", "limit", "bad_value"),
        ("limit=%ff", "limit", "bad_value"),
        ("limit=" + "9" * 5000, "limit", "bad_value"),
        ("limit=1e9", "limit", "bad_value"),
    ],
)
async def test_parameters_are_named(things: Client, text: str, pointer: str, code: str) -> None:
    """A parameter that is unknown, repeated or unreadable is 422 and named."""
    response = await things.get(f"/things?{text}")
    problem = await response.json()
    assert (422, code, pointer) == (
        response.status,
        problem["code"],
        problem["errors"][0]["pointer"],
    )
