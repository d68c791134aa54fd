"""The check that an answer is as the document tells: it lets nothing pass that is not."""

from __future__ import annotations

import pytest

from tests.support.declared import operation_of, undeclared

GOOD = {
    "X-Request-Id": "x",
    "ETag": '"1.1"',
    "Cache-Control": "no-store",
    "Content-Type": "application/json; charset=utf-8",
    "Server": "everyclick",
}

FAULTS: dict[str, tuple[int, dict[str, str], list[str]]] = {
    "as told": (200, {}, []),
    "another status": (201, {}, ["status 201"]),
    "another header": (200, {"X-More": "1"}, ["header x-more"]),
    "what it must have": (200, {"ETag": ""}, ["no etag"]),
    "another shape": (200, {"ETag": "W/1"}, ["etag: W/1"]),
    "another type": (200, {"Content-Type": "text/html"}, ["type text/html"]),
    "kept": (200, {"Cache-Control": "public"}, ["another Cache-Control than on every answer"]),
}


@pytest.mark.parametrize("status, changes, expected", FAULTS.values(), ids=FAULTS)
def test_faults(status: int, changes: dict[str, str], expected: list[str]) -> None:
    """Each way to differ from the document is told by name; an empty change leaves a header out."""
    operation = operation_of("GET", "/api/v1/links/abc")
    assert operation is not None
    headers = {name: value for name, value in {**GOOD, **changes}.items() if value}
    assert expected == undeclared(operation, status, headers)


PATHS = {
    ("GET", "/healthz"): "isAlive",
    ("HEAD", "/abc"): "followLink",
    ("POST", "/api/v1/links/bulk"): "createLinks",
    ("GET", "/api/v1/links/bulk"): None,
    ("PUT", "/abc"): None,
    ("GET", "/api/v2/links"): None,
}


@pytest.mark.parametrize("asked, expected", PATHS.items())
def test_paths(asked: tuple[str, str], expected: str | None) -> None:
    """A path is that of its own operation before it is a pattern's; what is not told is none."""
    operation = operation_of(*asked)
    assert expected == (operation and operation["operationId"])
