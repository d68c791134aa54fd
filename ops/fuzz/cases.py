"""What is sent: requests for every operation, odd in their values or broken in their bytes. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote_from_bytes

from service.api.operation import Operation

T = TypeVar("T")

NASTY: tuple[str, ...] = (
    *(
        "",
        " ",
        "\x00",
        "\x1b[31m",
        "\r\nX-Injected: 1",
        "\ud800",
        "\u202e",
        "\ufeff",
        "K",
        "İ",
        "ß",
    ),
    *(
        "' OR 1=1 --",
        "%",
        "%00",
        "%2e%2e",
        "..",
        "../../etc/passwd",
        "{{7*7}}",
        "${7*7}",
        "\\",
        "//evil",
    ),
    *(
        "<script>alert(1)</script>",
        "=HYPERLINK()",
        "null",
        "true",
        "-1",
        "0",
        "1e400",
        "NaN",
        "9" * 400,
    ),
    *("2026-02-30", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+23:59", "2026-W01-1", "24:00"),
    *(
        "javascript:alert(1)",
        "data:text/html,x",
        "https://a@evil.example/",
        "http:///x",
        "https://[::1",
    ),
    *(
        "https://xn--/",
        "https://127.1/",
        "http://2130706433/",
        "https://example.com:99999/",
        "http:x",
    ),
    *("Europe/Berlin", "../UTC", "UTC\x00", "+05:45", "ada@example.com", "a@b", "@", "x" * 5000),
)

ODD_JSON: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**63, 10**400, [], {}, [[]], {"": ""}, [None] * 50),
)

HEADERS: tuple[str, ...] = (
    *("Accept", "Cookie", "Referer", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "Origin"),
    *("Sec-Fetch-Site", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-Id", "Range"),
    *("Content-Type", "Content-Encoding", "Authorization", "Expect", "Upgrade", "Forwarded", "Te"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """Bytes to send, and whether they end a request: one that does must be answered."""

    sent: bytes
    whole: bool = True


class Cases:
    """Draws cases; the same seed draws the same ones."""

    def __init__(
        self, operations: Sequence[Operation], codes: Sequence[str], token: str, seed: int
    ) -> None:
        self._operations = operations
        self._codes = codes
        self._token = token
        self._chance = random.Random(seed)
        self._kinds: tuple[Callable[[], Case], ...] = (
            self._odd,
            self._odd,
            self._odd,
            self._broken,
            self._redirect,
        )

    def draw(self) -> Case:
        """Return the next case."""
        return self._chance.choice(self._kinds)()

    def _odd(self) -> Case:
        """A request of the API whose parts may each be odd."""
        operation = self._chance.choice(self._operations)
        path = operation.path.replace("{code}", self._segment(self._codes))
        path = path.replace("{id}", self._segment(("1", "2")))
        names = [*(operation.query.model_fields if operation.query else ()), self._text()]
        if self._likely(0.4):
            pairs = (
                f"{self._quoted(self._one(names))}={self._quoted(self._text())}" for _ in range(3)
            )
            path += "?" + "&".join(pairs)
        method = (
            operation.method
            if self._likely(0.95)
            else self._one(("PUT", "OPTIONS", "QUERY", "TRACE"))
        )
        body = b""
        if operation.body is not None:
            body = self._body(list(operation.body.model_fields))
        # The session is wanted to the end.
        known = operation.id not in {"logOut", "logOutEverywhere"}
        return Case(self._written(method, path.encode("ascii", "replace"), body, known=known))

    def _redirect(self) -> Case:
        """A request for a code, or for something like one."""
        method = "GET" if self._likely(0.8) else self._one(("HEAD", "POST", "OPTIONS"))
        return Case(self._written(method, b"/" + self._segment(self._codes).encode(), b""))

    def _broken(self) -> Case:
        """A request with a few bytes changed, doubled, moved or taken out."""
        whole = bytearray(self._redirect().sent if self._likely(0.5) else self._odd().sent)
        head = whole.find(b"\r\n\r\n")
        for _ in range(self._chance.randint(1, 6)):
            at = self._chance.randrange(max(head, 1))
            match self._chance.randrange(4):
                case 0:
                    whole[at : at + 1] = bytes([self._chance.randrange(256)])
                case 1:
                    whole[at:at] = self._chance.randbytes(self._chance.randint(1, 8))
                case 2:
                    del whole[at : at + self._chance.randint(1, 8)]
                case _:
                    whole[at:at] = whole[max(0, at - 20) : at]
        # Its end may be lost or its length wrong: then it may wait for more, and is not owed an answer.
        return Case(bytes(whole) + b"\r\n\r\n", whole=False)

    def _written(self, method: str, path: bytes, body: bytes, *, known: bool = True) -> bytes:
        lines = [method.encode() + b" " + path + b" HTTP/1.1", b"Host: x", b"Connection: close"]
        if known and self._likely(0.8):
            lines.append(b"Authorization: Bearer " + self._token.encode())
        for _ in range(self._chance.randrange(3)):
            name, value = self._one(HEADERS), self._text()
            lines.append(name.encode() + b": " + self._line(value))
        if body:
            kind = (
                "application/json"
                if self._likely(0.95)
                else self._one(("text/plain", "a/b; charset=utf-7"))
            )
            lines.append(b"Content-Type: " + kind.encode())
            lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _body(self, names: list[str]) -> bytes:
        if self._likely(0.1):
            raw = self._one(
                (
                    b"",
                    b"{",
                    b"[" * 100_000,
                    b"\xff\xfe",
                    b'{"a":1,"a":2}',
                    b"null",
                    b"\xef\xbb\xbf{}",
                )
            )
            return raw or b" "
        fields = {name: self._value() for name in names if self._likely(0.8)}
        if self._likely(0.1):
            fields[self._text()] = self._value()
        if "links" in fields and self._likely(0.8):
            fields["links"] = [
                {"url": self._text(), "code": self._text()}
                for _ in range(self._chance.randrange(30))
            ]
        return json.dumps(fields).encode()

    def _value(self) -> object:
        if self._likely(0.3):
            return self._one(ODD_JSON)
        if self._likely(0.3):
            return self._one(("https://example.com/a", "links:read", "a code", 302, 308, True))
        return self._text()

    def _text(self) -> str:
        if self._likely(0.5):
            return self._one(NASTY)
        length = self._chance.randrange(40)
        return "".join(
            chr(
                self._chance.choice((0x20, 0x7F, 0x3FF, 0xD7FF)) % 0x110000
                - self._chance.randrange(32)
            )
            for _ in range(length)
        )

    def _segment(self, usual: Sequence[str]) -> str:
        return self._one(usual) if self._likely(0.6) else self._quoted(self._text())

    def _quoted(self, text: str) -> str:
        return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")

    def _line(self, text: str) -> bytes:
        """What may stand in a header's line; what may not is sent by `_broken`."""
        return bytes(
            byte for byte in text.encode("utf-8", "surrogatepass") if byte >= 0x20 and byte != 0x7F
        )

    def _one(self, among: Sequence[T]) -> T:
        return self._chance.choice(among)

    def _likely(self, share: float) -> bool:
        return self._chance.random() < share
