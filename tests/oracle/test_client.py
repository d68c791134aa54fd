"""The client notes what it saw, and never asks twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.oracle.availability import (
    Injury,
    Sample,
    availability,
    counted_again,
    found_again,
    settled,
)
from tests.oracle.client import Client, Paths
from tests.oracle.exchange import NOTHING, UNSENT, Exchange, statuses

PATHS = Paths(("a", "b"), gone="gone", unknown="unknown")

FOUND = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 3\r\n\r\nabc"
NO_BODY = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 3\r\n\r\n"
LATER = b"HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"

Reply = Callable[[str], bytes | None]


class Server:
    """Answers each request with what `reply` says; None cuts the connection."""

    def __init__(self, reply: Reply, pause: float = 0.0) -> None:
        self.reply = reply
        self.pause = pause
        self.heads: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                await asyncio.sleep(self.pause)
                if (answer := self.reply(head)) is None:
                    break
                writer.write(answer)
                if answer not in {FOUND, NO_BODY, LATER} or answer == NO_BODY != by_kind(head):
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


async def sent(
    reply: Reply,
    until: Callable[[Client], bool],
    *,
    patience: float = 5.0,
    pause: float = 0.0,
) -> tuple[Client, Server]:
    """Send to a server that replies like that, after a pause, until something is true."""
    server = Server(reply, pause)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", "r", PATHS, 200, connections=4, patience=patience)
    stop = asyncio.Event()
    sending = asyncio.create_task(client.send_until(stop))
    await _true(lambda: until(client))
    stop.set()
    await sending
    listening.close()
    await listening.wait_closed()
    return client, server


async def _true(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - another task's state
            await asyncio.sleep(0.01)


def ended(number: int) -> Callable[[Client], bool]:
    """Whether so many requests have come to their end."""
    return lambda client: sum(each.ended > 0 for each in client.exchanges) >= number


def by_kind(head: str) -> bytes:
    """What a service answers."""
    if head.startswith("HEAD"):
        return NO_BODY
    return FOUND if head.startswith(("GET /a ", "GET /b ")) else LATER


async def test_every_request_has_its_mark_and_is_sent_once() -> None:
    """Numbers in a row, each seen by the server exactly once, over kept connections."""
    client, server = await sent(by_kind, ended(60))
    agents = [head.partition("User-Agent: ")[2].partition("\r")[0] for head in server.heads]
    assert sorted(f"chk/r/{each.number}" for each in client.exchanges) == sorted(agents)
    assert {"click", "head", "unknown", "gone"} == {each.kind for each in client.exchanges}


async def test_a_complete_302_is_an_acknowledgement() -> None:
    """Of a click, not of HEAD; and a 503 says whether it told when to come again."""
    client, _ = await sent(by_kind, ended(60))
    kinds = {each.kind: each for each in client.exchanges}
    assert (True, 302) == (kinds["click"].acknowledged, kinds["click"].status)
    assert (False, 302) == (kinds["head"].acknowledged, kinds["head"].status)
    assert (True, 503) == (kinds["unknown"].retry_after, kinds["unknown"].status)


@pytest.mark.parametrize(
    "part", [None, FOUND[:20], NO_BODY, FOUND[:-1]], ids=["nothing", "head", "no body", "body"]
)
async def test_a_part_of_an_answer_is_nothing(part: bytes | None) -> None:
    """Cut before, within the head, within the body: no 302, and not asked again."""
    client, server = await sent(lambda _: part, ended(8))
    clicks = [each for each in client.exchanges if each.kind == "click"]
    assert {NOTHING: len(clicks)} == statuses(clicks)
    assert len(client.exchanges) == len(server.heads)


async def test_patience_ends() -> None:
    """A request without an answer is given up; those that waited behind it never left."""
    client, _ = await sent(lambda _: b"HTTP/1.1 302 Found\r\n\r\n"[:-4], ended(8), patience=0.3)
    assert set(statuses(client.exchanges)) <= {NOTHING, UNSENT}


async def test_a_client_that_is_behind() -> None:
    """Who has waited too long for a connection never leaves, and costs nobody else's: whatever was
    sent has its answer, over the connections there were.
    """
    client, server = await sent(by_kind, ended(200), patience=0.3, pause=0.1)
    found = statuses(client.exchanges)
    assert found[UNSENT] > 0
    assert NOTHING not in found
    assert client.connections == server.connections


async def test_without_a_server_nothing_is_sent() -> None:
    """A refused connection is not a request."""
    client = Client("http://127.0.0.1:9", "r", PATHS, 100, connections=2)
    stop = asyncio.Event()
    sending: Awaitable[None] = asyncio.create_task(client.send_until(stop))
    await _true(lambda: len(client.exchanges) > 3)
    stop.set()
    await sending
    assert {UNSENT: len(client.exchanges)} == statuses(client.exchanges)


def seen(at: float, status: int = 302, took: float = 0.1) -> Exchange:
    """A click sent at a time."""
    return Exchange(0, "click", at, at, at + took, status)


def test_what_the_client_saw_is_summed_up() -> None:
    """The share of 302s, what nobody should get, the slowest answer."""
    summed = availability([seen(0), seen(1, 500), seen(2, 503, took=0.9), seen(3, NOTHING, 9)])
    assert (0.25, 1, 1) == (summed.found, summed.broken, summed.hopeless)
    assert 0.9 == pytest.approx(summed.slowest)
    with pytest.raises(ValueError, match="no clicks"):
        availability([])


def test_found_again_counts_from_the_end_of_the_fault() -> None:
    """Requests sent while it lasted do not count, whenever they were answered."""
    exchanges = [seen(0), seen(2.9, took=0.3), seen(3.5, 503), seen(4.0, took=0.5)]
    injury = Injury("outage", 1.0, 3.0)
    assert 1.5 == pytest.approx(found_again(exchanges, injury))
    assert found_again(exchanges[:3], injury) is None


def test_settled_is_the_share_of_302s_some_time_after() -> None:
    """Of the clicks that were to be sent then; None when there were none."""
    exchanges = [seen(0.5), seen(1.5, 503), seen(4.0), seen(4.1, 503), seen(4.2)]
    assert 2 / 3 == settled(exchanges, Injury("outage", 0, 1.0), 3.0)
    assert settled(exchanges, Injury("outage", 0, 9.0), 3.0) is None


def test_counted_again_compares_with_the_first_look_after() -> None:
    """What a killed relay had under way is not the next one's work."""
    samples = [Sample(0, 5), Sample(1.1, 9), Sample(1.2, 9), Sample(1.7, 10)]
    assert 0.7 == pytest.approx(counted_again(samples, Injury("kill", 1.0, 1.0)))
    assert counted_again(samples[:3], Injury("kill", 1.0, 1.0)) is None
