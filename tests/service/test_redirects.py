"""What is stored is sent; rows that only SQL can have made are not, and nothing is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from psycopg import AsyncConnection

from service.contract.observations import Observation, RequestFailed
from tests.support.ledger import count
from tests.support.served import Served, served

UNSAFE = {
    "split": "https://example.com/\r\nSet-Cookie: a=b",
    "newline": "https://example.com/\n",
    "script": "javascript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "relative": "/login",
    "slashes": "//evil.example/",
    "other": "httpx://example.com/",
    "umlaut": "https://example.com/ü",
    "override": "https://example.com/\u202e",
    "space": "https://example.com/a b",
    "tab": "https://example.com/\t",
    "delete": "https://example.com/\x7f",
    "empty": "",
    "long": "https://example.com/" + "a" * 2029,
    "megabyte": "https://example.com/" + "a" * 2**20,
}

SAFE = {
    "plain": "https://example.com/",
    "shouted": "HTTP://EXAMPLE.com:8080/a//b/../c?x=%2561%252F%253F&&y#f",
    "odd": "https://example.com/%61?q=a+b|{}^`\"<>'~!",
    "longest": "https://example.com/" + "a" * 2028,
}


@pytest.fixture
async def service(app: web.Application) -> AsyncIterator[Served]:
    """The service."""
    async with served(app) as service:
        yield service


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_forced_target_is_410(
    service: Served, db: AsyncConnection, observed: list[Observation], name: str, method: str
) -> None:
    """It reaches no header, it is no failure of ours, and no click of it is recorded."""
    await db.execute("INSERT INTO links (code, target) VALUES ('forced', %s)", [UNSAFE[name]])
    told = await service.ask(method, "/forced")
    assert 410 == told.status
    assert not {"location", "set-cookie"} & told.headers.keys()
    assert 0 == await count(db, "outbox")
    assert not [seen for seen in observed if isinstance(seen, RequestFailed)]


@pytest.mark.parametrize("name", SAFE)
async def test_what_is_stored_is_sent(service: Served, db: AsyncConnection, name: str) -> None:
    """Location is the target, byte for byte, and the click is recorded."""
    await db.execute("INSERT INTO links (code, target) VALUES ('stored', %s)", [SAFE[name]])
    told = await service.ask("GET", "/stored?next=//evil.example")
    assert (302, SAFE[name]) == (told.status, told.headers["location"])
    assert 1 == await count(db, "outbox")


async def test_one_bad_row_is_nobody_else_s(service: Served, db: AsyncConnection) -> None:
    """Links in the same transaction redirect."""
    await db.execute(
        "INSERT INTO links (code, target) VALUES ('bad', %s), ('good', %s)",
        [UNSAFE["split"], SAFE["plain"]],
    )
    line = "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = "".join(line.format(code) for code in ("good", "bad") * 5)
    told = await service.talk(sent.encode() + b"GET / HTTP/1.0\r\n\r\n")
    assert (5, 5) == (told.count(b"HTTP/1.1 302 "), told.count(b"HTTP/1.1 410 "))
    assert 5 == await count(db, "outbox")
