"""Clients that are slow, silent, deaf or many; and what is no HTTP."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from psycopg import AsyncConnection

from service import lines
from service.contract.observations import ConnectionsCut, Observation, RequestServed
from service.lines import LOOK, SECONDS, Line
from tests.support.ledger import count, make_link
from tests.support.served import PATIENCE, Served, parsed, served

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def service(app: web.Application, db: AsyncConnection) -> AsyncIterator[Served]:
    """The service with one link, whose looks are the test's."""
    await make_link(db)
    async with served(app) as service:
        yield service


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)


def only(service: Served) -> Line:
    """The one connection there is."""
    (line,) = service.lines.connections
    assert isinstance(line, Line)
    return line


def later(seconds: float) -> float:
    """The time in so many seconds."""
    return asyncio.get_running_loop().time() + seconds


def test_the_promise() -> None:
    """A slow client is gone 15 seconds after it has begun, at the latest."""
    assert SECONDS + LOOK <= 15


@pytest.mark.parametrize(
    "sent", [b"G", b"GET /hello HTTP/1.1\r\n", GET[:-2], GET[:-2] + b"A: b\r\n"]
)
async def test_a_request_that_does_not_end_is_answered_408(
    service: Served, observed: list[Observation], sent: bytes
) -> None:
    """Who sends no whole request is told so when the time is over, not before, and cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(sent)
    await until(lambda: bool(service.lines.connections) and only(service)._heard)
    service.lines.look(later(SECONDS - 1))
    assert [] == observed
    service.lines.look(later(SECONDS))
    async with asyncio.timeout(PATIENCE):
        told = parsed(await reader.read())
    assert (408, "close") == (told.status, told.headers["connection"])
    assert "too_slow" == json.loads(told.body)["code"]
    assert [ConnectionsCut("slow", 1)] == observed
    writer.close()


async def test_more_bytes_gain_no_time(service: Served, observed: list[Observation]) -> None:
    """The time runs from the first byte, whatever trickles in after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    for byte in b"GET /hello HTTP/1.1\r\nX: ":
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    await until(lambda: bool(service.lines.connections) and only(service)._heard)
    began = only(service)._since
    writer.write(b"y" * 100)
    await writer.drain()
    await asyncio.sleep(0.05)
    assert began == only(service)._since
    service.lines.look(began + SECONDS)
    async with asyncio.timeout(PATIENCE):
        assert 408 == parsed(await reader.read()).status
    writer.close()


async def test_a_client_that_sends_nothing_is_cut(
    service: Served, observed: list[Observation]
) -> None:
    """A connection without a request is closed without a word: browsers open some in advance."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    await until(lambda: bool(service.lines.connections))
    service.lines.look(later(SECONDS))
    async with asyncio.timeout(PATIENCE):
        assert b"" == await reader.read()
    assert [ConnectionsCut("slow", 1)] == observed
    writer.close()


async def test_an_idle_connection_stays(service: Served) -> None:
    """Between two requests a connection may rest longer; the next request has its own time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    for _ in range(2):
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 302 ")
        await until(lambda: only(service)._waiter is not None)
        service.lines.look(later(10 * SECONDS))
    writer.write(GET[:9])
    await until(lambda: only(service)._marked == only(service)._request_count)
    service.lines.look(later(SECONDS - 1))
    writer.write(GET[9:])
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 302 ")
    await until(lambda: only(service)._waiter is not None)
    writer.write(GET[:9])
    await until(lambda: only(service)._marked == only(service)._request_count)
    service.lines.look(later(SECONDS))
    async with asyncio.timeout(PATIENCE):
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_is_not_this_deadline_s(service: Served, observed: list[Observation]) -> None:
    """While a body comes in its reader has the clock, and what came with it is not held against
    the connection afterwards.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{"
    )
    await until(lambda: bool(service.lines.connections) and only(service)._request_count == 1)
    service.lines.look(later(10 * SECONDS))
    writer.write(b"}")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 422 ")
    await until(lambda: only(service)._waiter is not None)
    service.lines.look(later(10 * SECONDS))
    assert not [seen for seen in observed if isinstance(seen, ConnectionsCut)]
    writer.close()


async def test_a_client_that_reads_nothing_is_cut(
    service: Served, observed: list[Observation]
) -> None:
    """Who asks and does not take the answers loses the connection, and what waits in it."""
    _, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1024)
    one = b"GET /nothing/here HTTP/1.1\r\nHost: x\r\n\r\n"
    writer.write(one * 50_000)
    await until(lambda: bool(service.lines.connections) and only(service)._stuck is not None)
    service.lines.look(later(SECONDS - 1))
    assert only(service)._wire is not None
    service.lines.look(later(SECONDS))
    assert ConnectionsCut("unread", 1) in observed
    await until(lambda: not service.lines.connections)
    writer.transport.abort()


async def test_a_full_house_is_told_so(
    service: Served, observed: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the bound a client is answered 503 and hung up on; those inside are served."""
    monkeypatch.setattr(service.lines, "_most", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    await until(lambda: bool(service.lines.connections))
    told = parsed(await service.talk(b""))
    assert (503, "1") == (told.status, told.headers["retry-after"])
    writer.write(GET)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 302 ")
    service.lines.look(later(0))
    assert ConnectionsCut("full", 1) in observed
    writer.close()
    await until(lambda: not service.lines.connections)
    assert (await service.talk(GET[:-2] + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 302")


def test_the_bound_leaves_descriptors_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients never take the last descriptors, which the database needs."""
    for descriptors, expected in ((1024, 1024 - lines.SPARE), (64, 1), (1 << 20, lines.MOST)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=descriptors: (soft, soft))
        assert expected == lines.most()


async def test_the_watch_looks_again_and_again(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it watches, nobody needs to look."""
    monkeypatch.setattr(lines, "LOOK", 0.01)
    monkeypatch.setattr(lines, "SECONDS", 0.05)
    watching = asyncio.create_task(service.lines.watch())
    assert (await service.talk(b"GET / HT")).startswith(b"HTTP/1.1 408 ")
    assert (await service.talk(b"GET / HT")).startswith(b"HTTP/1.1 408 ")
    watching.cancel()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /hello HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nA : <script>\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_problem_document(
    service: Served, observed: list[Observation], db: AsyncConnection, sent: bytes
) -> None:
    """It is refused in our words, none of its own, tells no version, and is reported in one line."""
    told = parsed(await service.talk(sent))
    problem = json.loads(told.body)
    assert (400, "bad_request") == (told.status, problem["code"])
    assert "everyclick" == told.headers["server"]
    assert b"script" not in told.body
    name = told.headers["x-request-id"]
    assert name == problem["request_id"]
    assert [RequestServed("other", "malformed", 400, 0.0, name)] == observed
    assert 0 == await count(db, "outbox")
