"""Requests that no HTTP library would send, byte for byte, against a real process."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import psycopg
import pytest

from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.declared import operation_of, undeclared
from tests.support.processes import SECRET_KEY, Process, Processes, heard_out, url_of
from tests.support.served import parsed
from tests.support.traffic import count, make_link

pytestmark = pytest.mark.process

TARGET = "https://example.com/%2561?a=b"
WITHIN = 5.0
H = b"Host: x\r\n"


@pytest.fixture(scope="module")
def database(template: Template) -> Iterator[Database]:
    """One database for all of them: each looks at what it adds itself."""
    with template.clone() as cloned:
        yield cloned


@pytest.fixture(scope="module")
def service(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The service, as it is run; `abc` is a link, `gone` one that is disabled."""
    env = {"DATABASE_URL": url_of(database), "SECRET_KEY": SECRET_KEY}
    with heard_out(Processes(tmp_path_factory.mktemp("raw"), env)) as processes:
        with database.connect() as db:
            make_link(db, "abc", TARGET)
            make_link(db, "gone", TARGET)
            db.execute("UPDATE links SET disabled_at = now() WHERE code = 'gone'")
        yield processes.service()


@pytest.fixture
def sql(database: Database) -> Iterator[psycopg.Connection]:
    """A connection to look at the outbox with."""
    with database.connect("everyclick-test") as connection:
        yield connection


def send(service: Process, *requests: bytes, half: bool = False) -> bytes:
    """Send on a connection of its own and return all that comes back until it is closed.

    With `half` the client's side of it is closed once all is sent.
    """
    host, _, port = service.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=WITHIN) as connection:
        received = bytearray()
        try:
            for request in requests:
                connection.sendall(request)
            if half:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        except (ConnectionError, TimeoutError):
            pass
    return bytes(received)


def get(path: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """A request for a path that ends its connection."""
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"GET %s HTTP/%s\r\n%sConnection: close\r\n%s\r\n" % (path, version, H, lines)


def status(answer: bytes) -> int:
    """The status of the only answer there is."""
    assert answer.startswith(b"HTTP/1."), answer[:80]
    assert 1 == len(re.findall(rb"HTTP/1\.[01] [0-9]{3} ", answer)), answer
    return int(answer.split(b" ", 2)[1])


def undeclared_of(answer: bytes) -> list[str]:
    """What is in an answer to a GET of a code and not in the API's document."""
    follow = operation_of("GET", "/abc")
    assert follow is not None
    told = parsed(answer)
    return undeclared(follow, told.status, told.headers)


UNKNOWN = [
    b"/unknown",
    b"/a%00b",
    b"/a%2fb",
    b"/%2e%2e",
    b"/.",
    b"/a;x=1",
    b"/a+b",
    b"/%E2%80%AEabc",
    b"/" + b"x" * 65,
    b"/" + b"x" * 8000,
    b"//abc",
    b"//evil.example/%2f..",
    b"/../etc/passwd",
    b"/ABC",
    b"/%61%62%63%",
    b"/a%0Ab",
    b"/api/v1/no%0Asuch%0D%0Apage",
    b"/e%CC%81",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_is_no_code(service: Process, sql: psycopg.Connection, path: bytes) -> None:
    """Whatever is no link's code is 404, in one shape; nothing is recorded, nowhere is led to."""
    before = count(sql, "outbox")
    answer = send(service, get(path))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert 404 == status(answer)
    assert [] == undeclared_of(answer)
    assert b"application/problem+json" in head
    assert b"Location" not in head
    assert b'"code":"not_found"' in body
    assert before == count(sql, "outbox")


FOUND = {
    "HTTP/1.0 without a host": b"GET /abc HTTP/1.0\r\n\r\n",
    "a query": get(b"/abc?x=%00&next=//evil"),
    "no user agent": get(b"/abc"),
    "a long user agent": get(b"/abc", b"User-Agent: " + b"u" * 8000),
    "a tab in the user agent": get(b"/abc", b"User-Agent: a\tb"),
    "UTF-8 in the user agent": get(b"/abc", "User-Agent: käse ☂".encode()),
    "broken UTF-8 in the user agent": get(b"/abc", b"User-Agent: \xff\xfe\xed\xa0\x80"),
    "a script as referrer": get(b"/abc", b"Referer: javascript:alert(1)//<script>"),
    "a referrer of 300 letters": get(b"/abc", b"Referer: http://" + b"h" * 300 + b"/"),
    "forged addresses": get(
        b"/abc", b"X-Forwarded-For: 999.1.1.1, <b>, fe80::1%eth0" + b", a" * 99
    ),
    "a forged host": get(b"/abc", b"X-Forwarded-Host: evil.example", b"X-Forwarded-Proto: ftp"),
    "a thousand cookies": get(b"/abc", b"Cookie: " + b"=;" * 1000),
    "a prefetch": get(b"/abc", b"Sec-Purpose: prefetch"),
    "conditions": get(b"/abc", b"If-None-Match: *", b"Range: bytes=0-1"),
    "an upgrade": get(b"/abc", b"Upgrade: websocket", b"Sec-WebSocket-Key: x"),
    "a host of markup": b"GET /abc HTTP/1.1\r\nHost: <script>\r\nConnection: close\r\n\r\n",
    "a body that never comes": get(b"/abc", b"Content-Length: 10"),
    "an encoded letter": get(b"/%61bc"),
    "another host's address": get(b"http://evil.example/abc"),
    "another scheme's address": get(b"ftp://evil.example/abc"),
    "a fragment": get(b"/abc#evil"),
    "a body that is no gzip": get(b"/abc", b"Content-Encoding: gzip", b"Content-Length: 1") + b"x",
    "an empty host": b"GET /abc HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
    "a host of two words": b"GET /abc HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
    "empty lines before it": b"\r\n\r\n" + get(b"/abc"),
}


@pytest.mark.parametrize("request_", FOUND.values(), ids=FOUND)
def test_odd_but_whole(service: Process, sql: psycopg.Connection, request_: bytes) -> None:
    """What is odd and means the link all the same leads there, byte for byte, and is counted once."""
    before = count(sql, "outbox")
    answer = send(service, request_)
    assert 302 == status(answer)
    assert f"\r\nLocation: {TARGET}\r\n".encode() in answer
    assert b"evil" not in answer
    assert b"<script>" not in answer
    assert [] == undeclared_of(answer)
    assert before + 1 == count(sql, "outbox")


REFUSED = {
    "a request line of 9,000 bytes": get(b"/" + b"x" * 9000),
    "NUL in the path": get(b"/a\x00b"),
    "bytes above ASCII in the path": get(b"/\xff\xfe"),
    "no method": b"FOO\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no host": b"GET /abc HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": get(b"/abc", b"Host: y"),
    "NUL in a header": get(b"/abc", b"User-Agent: a\x00b"),
    "ESC in a header": get(b"/abc", b"User-Agent: a\x1bb"),
    "a header of 9,000 bytes": get(b"/abc", b"User-Agent: " + b"u" * 9000),
    "10,000 headers": get(b"/abc", *(b"X-%d: y" % n for n in range(10_000))),
    "two user agents": get(b"/abc", b"User-Agent: a", b"User-Agent: b"),
    "two types": get(b"/abc", b"Content-Type: a/b", b"Content-Type: c/d"),
    "bare line feeds": get(b"/abc").replace(b"\r", b""),
    "bare carriage returns": get(b"/abc").replace(b"\n", b"") + b"\r\n\r\n",
    "a method nobody knows": get(b"/abc").replace(b"GET", b"FOO", 1),
    "HTTP/3": get(b"/abc", version=b"3.0"),
    "no path": get(b""),
    "an address without a host": get(b"http:abc"),
    "an address with half a host": get(b"http://[::1/abc"),
    "an address with a port there is not": get(b"http://x:99999999/abc"),
    "chunks of no size": get(b"/abc", b"Transfer-Encoding: chunked") + b"ZZ\r\n",
    "200 headers": get(b"/abc", *(b"X-%d: y" % n for n in range(200))),
    "a folded header": get(b"/abc", b"X: a\r\n b"),
    "a space before the colon": get(b"/abc", b"X : a"),
    "a header without a name": get(b"/abc", b": a"),
    "two lengths": get(b"/abc", b"Content-Length: 1", b"Content-Length: 2"),
    "a negative length": get(b"/abc", b"Content-Length: -1"),
    "a signed length": get(b"/abc", b"Content-Length: +2"),
    "length and chunks": get(b"/abc", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "other codings": get(b"/abc", b"Transfer-Encoding: xchunked"),
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_what_is_no_http(service: Process, sql: psycopg.Connection, request_: bytes) -> None:
    """It is refused with one answer, in our shape, and the connection ends; nothing is recorded."""
    before = count(sql, "outbox")
    answer = send(service, request_)
    assert 400 <= status(answer) < 500
    assert b"application/problem+json" in answer
    # 405 is no answer to a GET, and so none that the document tells.
    assert 405 == status(answer) or [] == undeclared_of(answer)
    assert b"Server: everyclick\r\n" in answer
    assert b"Python" not in answer
    assert before == count(sql, "outbox")


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"OPTIONS"])
def test_other_methods(service: Process, sql: psycopg.Connection, method: bytes) -> None:
    """A code is only got: everything else is 405 and says so."""
    before = count(sql, "outbox")
    answer = send(service, get(b"/abc").replace(b"GET", method, 1))
    assert 405 == status(answer)
    assert b"\r\nAllow: GET,HEAD\r\n" in answer
    assert before == count(sql, "outbox")


@pytest.mark.parametrize("line", [b"OPTIONS *", b"CONNECT evil.example:443"])
def test_what_has_no_path(service: Process, line: bytes) -> None:
    """It is refused like whatever else is not here: in our shape, under our name."""
    answer = send(service, line + b" HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n")
    assert 404 == status(answer)
    assert b"application/problem+json" in answer
    assert b"\r\nServer: everyclick\r\n" in answer
    assert b"aiohttp" not in answer


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers."""
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer)]


LOGIN = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ABC = b"GET /abc HTTP/1.1\r\nHost: x\r\n\r\n"

HALVES = {
    "a redirect": (ABC, [302]),
    "five of them": (ABC * 5, [302] * 5),
    "a request of the API": (ABC.replace(b"abc", b"api/v1/me"), [401]),
    "half a body": (LOGIN + b"Content-Length: 50\r\n\r\n{}", [400]),
    "a body without its last chunk": (
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        [400],
    ),
    "no HTTP": (b"FOO\r\n\r\n", [400]),
    "half a request": (b"GET /ab", []),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("sent, expected", HALVES.values(), ids=HALVES)
def test_who_has_said_all_is_answered(
    service: Process, sql: psycopg.Connection, sent: bytes, expected: list[int]
) -> None:
    """A client that closes its own side, and waits, is answered before ours is closed."""
    before = count(sql, "outbox")
    assert expected == statuses(send(service, sent, half=True))
    assert before + expected.count(302) == count(sql, "outbox")


@pytest.mark.parametrize("wanted", [b"h2c", b"websocket"])
def test_nobody_waits_behind_an_upgrade(
    service: Process, sql: psycopg.Connection, wanted: bytes
) -> None:
    """What another protocol would read is not answered: the answer before it ends the connection."""
    before = count(sql, "outbox")
    upgrade = ABC[:-2] + b"Connection: Upgrade\r\nUpgrade: " + wanted + b"\r\n\r\n"
    answer = send(service, upgrade + ABC)
    assert 302 == status(answer)
    assert b"\r\nConnection: close\r\n" in answer
    assert before + 1 == count(sql, "outbox")


def test_requests_one_behind_the_other(service: Process, sql: psycopg.Connection) -> None:
    """Five hundred at once are answered in their order, and each that is a link's is counted."""
    before = count(sql, "outbox")
    other = ABC.replace(b"abc", b"unknown")
    assert [302, 404] * 250 + [302] == statuses(send(service, (ABC + other) * 250 + get(b"/abc")))
    assert before + 251 == count(sql, "outbox")


def test_a_million_chunks(service: Process) -> None:
    """Chunks of one byte are a body like any other: past its limit it is 413, whatever follows."""
    flood = LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1_000_000
    answer = send(service, flood)
    assert answer == b"" or 413 == status(answer)
    assert 302 == status(send(service, get(b"/abc")))


def test_head_and_gone(service: Process, sql: psycopg.Connection) -> None:
    """HEAD is answered like GET and not counted; a disabled link is 410, and not counted."""
    before = count(sql, "outbox")
    head = send(service, get(b"/abc").replace(b"GET", b"HEAD", 1))
    assert 302 == status(head)
    assert f"\r\nLocation: {TARGET}\r\n".encode() in head
    gone = send(service, get(b"/gone"))
    assert 410 == status(gone)
    assert b'"code":"gone"' in gone
    assert before == count(sql, "outbox")


def test_unknown_expectation(service: Process) -> None:
    """417 for what nobody here can meet, on every path and however it is written."""
    for path in (b"/abc", b"/api/v1/me", b"/no/such%0Apage"):
        for said in (b"weird", b"\xed\xa0\x80"):
            assert 417 == status(send(service, get(path, b"Expect: " + said)))


def test_no_second_request_hides_in_the_first(service: Process, sql: psycopg.Connection) -> None:
    """What looks like a body to one reader and like a request to another is answered once."""
    before = count(sql, "outbox")
    hidden = b"GET /abc HTTP/1.1\r\nHost: x\r\n\r\n"
    smuggled = (
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s" % (len(hidden) + 5, hidden)
    )
    answer = send(service, smuggled)
    assert 400 == status(answer)
    assert before == count(sql, "outbox")


def test_a_hundred_thousand_trailers(service: Process) -> None:
    """Trailers without an end are cut off; the process goes on."""
    flood = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    flood += b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 100_000 + b"\r\n"
    answer = send(service, flood)
    assert answer == b"" or 400 <= int(answer.split(b" ", 2)[1]) < 500
    assert 302 == status(send(service, get(b"/abc")))
