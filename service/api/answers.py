"""What an operation may answer, status by status: what is in it, and which headers it has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from aiohttp import hdrs
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from service import request_ids, throttle
from service.api.header import Header, Schema
from service.api.operation import Answer, Media, Operation
from service.errors import (
    BadExpectation,
    BadRequest,
    CrossSite,
    EveryclickError,
    Forbidden,
    Invalid,
    Malformed,
    ScopeMissing,
    TooLarge,
    TooManyRequests,
    TooSlow,
    Unauthenticated,
    Unavailable,
    UnsupportedType,
)
from service.problem import Problem

Refs = Mapping[tuple[type[BaseModel], JsonSchemaMode], Schema]
"""Where each model is described."""

HEADERS = "#/components/headers/"

HTML = "<!doctype html>…"
"""Example of a page."""

ANYWHERE = (BadRequest, TooSlow, BadExpectation, EveryclickError, Unavailable)
"""What may go wrong with any request: most of it before anybody knows what it asks for."""

REQUEST_ID = Header(
    request_ids.HEADER,
    "The request's name: the one that was sent along, if it was fit, else a new one.",
    {"type": "string", "pattern": f"^{request_ids.PATTERN}$"},
    always=True,
)

CHALLENGE = Header(
    "WWW-Authenticate",
    "How to say who asks.",
    {"type": "string", "const": "Bearer"},
    always=True,
)

RETRY_AFTER = Header(
    "Retry-After", "Seconds to wait.", {"type": "integer", "minimum": 1}, always=True
)

POLICY = Header(
    throttle.POLICY,
    "Requests (`q`) that the user may make in so many seconds (`w`); none told, no limit.",
    {"type": "string", "pattern": '^"default";q=[0-9]+;w=[0-9]+$'},
)

STANDING = Header(
    throttle.STANDING,
    "Requests that are left (`r`), and the seconds until all are there again (`t`).",
    {"type": "string", "pattern": '^"default";r=[0-9]+;t=[0-9]+$'},
)

CACHE = Header(
    "Cache-Control",
    "Not to be kept, or (`no-cache`) not used again without a look at whether it has changed.",
    {"type": "string", "enum": ["no-store", "no-cache"]},
    always=True,
)
"""Where it is not what every answer says."""

GENERAL = (REQUEST_ID, CHALLENGE, RETRY_AFTER, POLICY, STANDING)
"""The headers that operations have for what they are, without having to say so."""

_LIMITS = (POLICY, STANDING)

_OF_STATUS = {401: (CHALLENGE,), 429: (RETRY_AFTER,), 503: (RETRY_AFTER,)}

_CONTENT: Mapping[Media, Schema] = {
    "application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}},
    "text/html": {"schema": {"type": "string"}, "example": HTML},
}


_NOTHING = {
    204: "Done; nothing to tell.",
    304: "It is in the state that `If-None-Match` tells: known already.",
}


def answers(operation: Operation, refs: Refs) -> Schema:
    """Return what the operation answers when all is well, then whatever may go wrong with it."""
    limits = _LIMITS if operation.knows else ()
    well = headers((REQUEST_ID, *operation.tells, *limits))
    return {
        **{
            str(status): {**_answer(status, what, refs), "headers": well}
            for status, what in operation.answers.items()
        },
        **problems(errors(operation), refs, limits),
    }


def errors(operation: Operation) -> Iterator[type[EveryclickError]]:
    """Yield what may go wrong with any operation, with one of this kind, and with this one."""
    yield from ANYWHERE
    if operation.access != "anyone":
        yield Unauthenticated
    if operation.access == "admin":
        yield Forbidden
    if operation.knows:
        yield from (ScopeMissing, TooManyRequests)
    if operation.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
        yield CrossSite
    if operation.body is not None:
        yield from (Malformed, TooLarge, UnsupportedType, Invalid)
    if operation.query is not None:
        yield Invalid
    yield from operation.errors


def problems(
    found: Iterable[type[EveryclickError]], refs: Refs, limits: tuple[Header, ...] = ()
) -> Schema:
    """Return the errors by their status; what is said before anybody is known tells of no limits."""
    by_status: dict[int, dict[str, str]] = {}
    for error in found:
        by_status.setdefault(error.status, {})[error.code] = error.title
    return {
        str(status): {
            "description": "; ".join(f"{title} (`{code}`)" for code, title in told.items()),
            "headers": headers(
                (
                    REQUEST_ID,
                    *_OF_STATUS.get(status, ()),
                    *(() if status == Unauthenticated.status else limits),
                )
            ),
            "content": {
                "application/problem+json": {
                    "schema": refs[Problem, "serialization"],
                    "example": _example(status, told),
                }
            },
        }
        for status, told in sorted(by_status.items())
    }


def headers(told: Iterable[Header]) -> Schema:
    """Return where each header is described, by its name."""
    return {each.name: {"$ref": f"{HEADERS}{each.name}"} for each in told}


def _answer(status: int, what: type[Answer] | Media | None, refs: Refs) -> Schema:
    if what is None:
        return {"description": _NOTHING[status]}
    if isinstance(what, str):
        return {"description": "What was asked for.", "content": {what: _CONTENT[what]}}
    summary = (what.__doc__ or what.__name__).split("\n")[0]
    content = {"application/json": {"schema": refs[what, "serialization"]}}
    return {"description": summary, "content": content}


def _example(status: int, told: Mapping[str, str]) -> Schema:
    """Return a problem document of this status: the first error that has it."""
    code, title = next(iter(told.items()))
    return Problem(
        title=title, status=status, code=code, request_id="91343393e87d60f667a66264e50005f1"
    ).model_dump(mode="json", exclude_none=True)
