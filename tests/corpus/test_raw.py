"""Requests that no HTTP library would send, byte for byte, against a real process."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import psycopg
import pytest

from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.processes import SECRET_KEY, Process, Processes, url_of
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
    processes = Processes(tmp_path_factory.mktemp("raw"), env)
    try:
        with database.connect() as db:
            make_link(db, "abc", TARGET)
            make_link(db, "gone", TARGET)
            db.execute("UPDATE links SET disabled_at = now() WHERE code = 'gone'")
        yield processes.service()
    finally:
        processes.close()
    assert [] == processes.complaints()


@pytest.fixture
def sql(database: Database) -> Iterator[psycopg.Connection]:
    """A connection to look at the outbox with."""
    with database.connect("everyclick-test") as connection:
        yield connection


def send(service: Process, *requests: bytes) -> bytes:
    """Send on a connection of its own and return all that comes back until it is closed."""
    host, _, port = service.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=WITHIN) as connection:
        received = bytearray()
        try:
            for request in requests:
                connection.sendall(request)
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
    b"/abc/",
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
