"""What a request says: its JSON body or its query, read with bounds and checked by a model."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, NoReturn, TypeVar

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ConfigDict

from service.errors import (
    Invalid,
    Malformed,
    TooLarge,
    TooSlow,
    UnsupportedType,
)
from service.lifespan import DESTINATIONS
from service.validation import PROBLEMS, checked, field_problem, token

LIMIT = 64 * 1024
"""Bytes of a body, counted after decompression."""

SECONDS = 10.0
"""Time a body may take to arrive."""

MEMBERS = 100
"""Members of one object, each of which could be a problem to tell."""

MARKS = 100_000
"""Brackets, braces and quotes of a body, counted before any are read: making objects of four megabytes
of them would keep redirects waiting for seconds."""


class Body(BaseModel):
    """Base of bodies: no field unasked for, no number taken for a string."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Base of queries: no parameter unasked for; values are text and may be read as numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def fields_stay(schema: dict[str, Any]) -> None:
    """Describe a body whose fields have no values of their own when they are not given."""
    schema["minProperties"] = 1
    for each in schema["properties"].values():
        del each["default"]


B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)


async def body(request: web.Request, model: type[B], limit: int = LIMIT) -> B:
    """Return the request's JSON body, of at most `limit` bytes.

    The model's validators have Destinations as their context.

    Raises what `json_object` raises, and Invalid naming each field by a JSON pointer.
    """
    said = await json_object(request, limit)
    return checked(model, said, context=request.app.get(DESTINATIONS))


async def json_object(request: web.Request, limit: int = LIMIT) -> dict[str, object]:
    """Return the request's JSON object as it was sent, of at most `limit` bytes.

    Raises UnsupportedType, TooLarge, TooSlow, Malformed, and Invalid for what is given twice.
    """
    _check_type(request)
    return _parsed(await _received(request, limit))


def query(request: web.Request, model: type[Q]) -> Q:
    """Return the request's query. Raises Invalid naming each parameter."""
    repeated = [
        name for name, times in Counter(n for n, _ in request.query.items()).items() if times > 1
    ]
    if repeated:
        raise Invalid(
            [
                field_problem(name, "It was given more than once. Give it once.", "repeated")
                for name in repeated
            ]
        )
    return checked(model, dict(request.query), "")


def _check_type(request: web.Request) -> None:
    kind = request.content_type.lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise UnsupportedType
    # Any other charset would be decoded with whatever codec it names, utf-7 included.
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise UnsupportedType


async def _received(request: web.Request, limit: int) -> bytes:
    received = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            while chunk := await request.content.readany():
                received += chunk
                if len(received) > limit:
                    raise TooLarge(f"A body may have {limit} bytes here.")
    except TimeoutError as error:
        raise TooSlow(f"A body may take {SECONDS:.0f} seconds.") from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        # No more can be read from this connection; without an end aiohttp would try, and log a trace.
        request.content.feed_eof()
        raise Malformed(
            "The body's encoding is broken.", headers={hdrs.CONNECTION: "close"}
        ) from error
    except ConnectionError as error:
        raise Malformed("The body ended early.") from error
    return bytes(received)


def _parsed(received: bytes) -> dict[str, object]:
    if sum(map(received.count, (b"[", b"{", b'"'))) > MARKS:
        raise Malformed(f"A body may have {MARKS} brackets, braces and quotes.")
    repeated: list[str] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(pairs) > MEMBERS:
            raise Malformed(f"An object may have {MEMBERS} members here.")
        told = dict(pairs)
        if len(told) < len(pairs) and len(repeated) < PROBLEMS:
            repeated.extend(n for n, times in Counter(n for n, _ in pairs).items() if times > 1)
        return told

    try:
        parsed = json.loads(
            received.decode(), object_pairs_hook=members, parse_constant=_refuse_constant
        )
    # ValueError: no UTF-8, a byte order mark, no JSON, or an integer of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise Malformed("Send one JSON object in UTF-8, without a byte order mark.") from error
    if not isinstance(parsed, dict):
        raise Malformed("Send a JSON object, in braces.")
    if repeated:
        names = repeated[:PROBLEMS]
        raise Invalid(
            [
                field_problem(
                    f"/{token(n)}", "It was given more than once. Give it once.", "repeated"
                )
                for n in names
            ]
        )
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have
