"""A plain HTTP client: one connection per request, redirects not followed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

TIMEOUT = 20.0
"""Seconds until a request that hangs fails its test; far above every promise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response; header names in lower case, `seconds` from connect to last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def fetch(
    url: str,
    *,
    method: str = "GET",
    token: str | None = None,
    payload: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request. Raises OSError or HTTPException when no complete response came."""
    parts = urlsplit(url)
    sent = {"Connection": "close", **(headers or {})}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    body = None
    if payload is not None:
        body = json.dumps(payload)
        sent["Content-Type"] = "application/json"
    started = time.monotonic()
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)) as connection:
        connection.request(method, path, body, sent)
        with connection.getresponse() as response:
            received = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, received, time.monotonic() - started)


def click(url: str, number: int, at_once: int = 4) -> list[Answer]:
    """Send `number` clicks, so many at once."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda _: fetch(url), range(number)))


def statuses(answers: list[Answer]) -> dict[int, int]:
    """How many answers there are of each status."""
    counted: dict[int, int] = {}
    for answer in answers:
        counted[answer.status] = counted.get(answer.status, 0) + 1
    return counted


@dataclass
class Load:
    """Clicks one after another in a few threads, from entering to leaving the context."""

    url: str
    threads: int = 3
    answers: list[Answer] = field(default_factory=list)
    cut: list[Exception] = field(default_factory=list)
    """Requests that got no complete response."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._running = [threading.Thread(target=self._click) for _ in range(self.threads)]

    @property
    def found(self) -> int:
        """Clicks acknowledged so far."""
        return statuses(list(self.answers)).get(302, 0)

    def _click(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(fetch(self.url))
            except (OSError, HTTPException) as error:
                self.cut.append(error)
            self._stop.wait(0.005)

    def __enter__(self) -> Self:
        for thread in self._running:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join()
