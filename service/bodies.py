"""What a request says: its JSON body or its query, read with bounds and checked by a model."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import NoReturn, TypeVar

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from service.destinations import Destinations
from service.errors import (
    FieldProblem,
    Invalid,
    Malformed,
    Refused,
    TooLarge,
    TooSlow,
    UnsupportedType,
)
from service.lifespan import DESTINATIONS

LIMIT = 64 * 1024
"""Bytes of a body, counted after decompression."""

SECONDS = 10.0
"""Time a body may take to arrive."""

PROBLEMS = 20
"""Problems that one answer lists."""

SHOWN = 60
"""Characters of a wrong value that an answer repeats."""

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


B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)
M = TypeVar("M", bound=BaseModel)


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
                _problem(name, "It was given more than once. Give it once.", "repeated")
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
                _problem(f"/{_token(n)}", "It was given more than once. Give it once.", "repeated")
                for n in names
            ]
        )
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have


def checked(
    model: type[M], members: object, prefix: str = "/", context: Destinations | None = None
) -> M:
    """Return the members as the model. Raises Invalid, naming each field behind `prefix`."""
    try:
        return model.model_validate(members, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False)[:PROBLEMS]
        raise Invalid([_fault(model, detail, prefix) for detail in details]) from error


HINTS: Mapping[str, str] = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is unknown here. Remove it, or use one of: {known}.",
    "string_type": "Use a string.",
    "string_unicode": "Remove invalid characters.",
    "int_parsing": "Use a whole number such as 10.",
    "int_parsing_size": "Use a smaller number.",
    "greater_than_equal": "Use a number of at least {ge}.",
    "less_than_equal": "Use a number of at most {le}.",
    "bool_type": "Use true or false.",
    "literal_error": "Use {expected}.",
    "datetime_type": "Use a string with a time such as 2030-01-31T12:00:00Z.",
    "list_type": "Use a list.",
    "too_short": "The list needs at least {min_length}.",
    "too_long": "The list may have at most {max_length}.",
    "model_type": "Use an object.",
}
"""What to do about each type of pydantic's errors that our models can raise."""

_ABOUT_NO_VALUE = {"missing", "extra_forbidden", "too_short", "too_long"}

_CODES = {"missing": "missing", "extra_forbidden": "unknown"}


def _fault(model: type[BaseModel], detail: ErrorDetails, prefix: str) -> FieldProblem:
    pointer = "".join(prefix + _token(str(step)) for step in detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, Refused):
        hint, code = str(cause), cause.code
    else:
        known = ", ".join(each.alias or name for name, each in model.model_fields.items())
        hint = HINTS.get(kind, "Use another value.").format(known=known, **context)
        code = _CODES.get(kind, "wrong_type" if "_type" in kind else "bad_value")
    if kind not in _ABOUT_NO_VALUE and not _is_secret(model, detail["loc"]):
        hint = f"Invalid value {shown(detail['input'])}. {hint}"
    return _problem(pointer, hint, code)


def _is_secret(model: type[BaseModel], location: tuple[int | str, ...]) -> bool:
    """Whether the field is one that is not shown: passwords and tokens have `repr=False`."""
    field = model.model_fields.get(str(location[0])) if location else None
    return field is not None and not field.repr


def shown(value: object) -> str:
    """Return a value as a message shows it: as JSON, and not all of a long one."""
    if isinstance(value, list):
        return "(a list)"
    if isinstance(value, dict):
        return "(an object)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return text.encode(errors="replace").decode()


def _problem(pointer: str, detail: str, code: str) -> FieldProblem:
    # A name may have half a surrogate pair, which no answer can.
    return FieldProblem(pointer[:100].encode(errors="replace").decode(), detail, code)


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")  # RFC 6901, 3
