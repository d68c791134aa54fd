"""The fuzzer: it draws what it says, and finds what it looks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ops.fuzz.__main__ import fuzz
from ops.fuzz.cases import Cases
from ops.fuzz.verdict import Tally
from service.api import operations

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def cases(seed: int) -> Cases:
    """Cases of a seed."""
    return Cases(tuple(operations()), ("a", "b"), "token", seed)


def test_the_same_seed_draws_the_same() -> None:
    """A fault can be sent again."""
    first, again, other = cases(7), cases(7), cases(8)
    drawn = [first.draw() for _ in range(200)]
    assert drawn == [again.draw() for _ in range(200)]
    assert drawn != [other.draw() for _ in range(200)]


def test_every_operation_is_drawn() -> None:
    """A thousand cases reach every path, with a token and without."""
    chance = cases(1)
    sent = b"".join(chance.draw().sent for _ in range(1000))
    for operation in operations():
        assert operation.path.partition("{")[0].encode() in sent, operation.id
    assert b"Authorization: Bearer token" in sent


@pytest.mark.parametrize(
    "answer, seconds, whole, fault",
    [
        (OK, 0.1, True, None),
        (b"HTTP/1.1 503 Unavailable\r\n\r\n", 0.1, True, None),
        (b"", 0.1, False, None),
        (b"HTTP/1.1 500 Oops\r\n\r\n", 0.1, False, "status 500"),
        (b"", 0.1, True, "closed without an answer"),
        (OK, 5.5, True, "more than 5 s"),
        (b"HTTP/1.1 200 OK\r\nX-Injected: 1\r\n\r\n", 0.1, True, "a header of the client's making"),
    ],
)
def test_verdicts(answer: bytes, seconds: float, whole: bool, fault: str | None) -> None:
    """Each fault is known by its answer; an honest 503, and silence nobody is owed, are none."""
    tally = Tally()
    tally.note(b"sent", answer, seconds, whole=whole)
    assert ([] if fault is None else [fault]) == list(tally.faults)
    assert 1 == tally.cases


@pytest.fixture
async def failing() -> AsyncIterator[int]:
    """A server that answers every tenth request 500, and every eleventh not at all."""
    number = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        number += 1
        await reader.read(65536)
        if number % 11:
            writer.write(OK if number % 10 else OK.replace(b"200 OK", b"500 No"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_it_finds_what_is_wrong(failing: int) -> None:
    """Faults are found, counted and kept with what was sent."""
    tally = await fuzz(failing, cases(3), 300)
    assert 300 == tally.cases
    assert {"status 500", "closed without an answer"} <= set(tally.faults)
    assert tally.kept
