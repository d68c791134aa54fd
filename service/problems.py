"""Whatever goes wrong leaves as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from itertools import chain
from time import perf_counter

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from service import pages
from service.connections import UNAVAILABLE
from service.contract.observations import DatabaseUnavailable, RequestFailed, RequestServed
from service.errors import (
    BadExpectation,
    EveryclickError,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unavailable,
)
from service.lifespan import DRAINING, HEADERS, OBSERVE
from service.problem import Problem
from service.request_ids import HEADER, new_request_id, request_id

ANYTHING = r"/{anything:[\s\S]*}"
"""The route of all paths that no other route has; a dot would leave those with a line break to aiohttp."""

CATCH_ALL = "/{anything}"
"""What aiohttp calls it; it is reported as UNMATCHED."""

UNMATCHED = "unmatched"

OUR_FAULT = "This is our fault; it has been reported."

BESIDES: web.RequestKey[dict[str, str]] = web.RequestKey("besides", dict[str, str])
"""Headers that the answer to this request has as well, whatever becomes of it."""

_OURS = {error.status: error for error in (NotFound, MethodNotAllowed, TooLarge)}
# A method is whatever token the client makes up; what is counted by method stays a short list.
_METHODS = hdrs.METH_ALL


def guarded(handler: Handler) -> Handler:
    """Return the handler with `problems` around it.

    For every route but the redirect's, which answers for itself.
    """
    return partial(problems, handler=handler)


async def expectation(request: web.Request) -> web.StreamResponse | None:
    """Meet `Expect: 100-continue`, refuse any other; HTTP/1.0 has none (RFC 9110, 10.1.1)."""
    if request.version < HttpVersion11:
        return None
    if request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer proper has not begun
        return None

    async def refuse(_: web.Request) -> web.StreamResponse:
        raise BadExpectation

    return await problems(request, refuse)


async def unmatched(_: web.Request) -> web.StreamResponse:
    """Refuse a path that no route has."""
    raise NotFound


def other_methods(allowed: Iterable[str]) -> Handler:
    """Return what answers every method of a path but the allowed ones: 405 with `Allow`."""
    allow = ",".join(sorted(allowed))

    async def refuse(_: web.Request) -> web.StreamResponse:
        raise MethodNotAllowed(headers={hdrs.ALLOW: allow})

    return refuse


async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors, add the headers that every response has, and report the request."""
    started = perf_counter()
    name = request_id(request)
    resource = request.match_info.route.resource
    route = UNMATCHED if resource is None else resource.canonical
    if route == CATCH_ALL:
        route = UNMATCHED
    try:
        response = await handler(request)
    except EveryclickError as error:
        response = negotiated(request, error, name) if route == UNMATCHED else answer(error, name)
    except web.HTTPException as error:
        response = _translated(error, name)
    except UNAVAILABLE as error:
        request.app[OBSERVE](DatabaseUnavailable("request", str(error).strip() or "no answer"))
        response = answer(Unavailable("Try again in a moment."), name)
    except Exception as error:  # noqa: BLE001 - the last resort: reported with its trace
        request.app[OBSERVE](RequestFailed(_method(request), route, error, name))
        response = answer(EveryclickError(OUR_FAULT), name)
    for header, value in chain(request.get(BESIDES, {}).items(), request.app[HEADERS].items()):
        response.headers.setdefault(header, value)
    response.headers[HEADER] = name
    if request.app[DRAINING].begun:
        response.force_close()
    request.app[OBSERVE](
        RequestServed(_method(request), route, response.status, perf_counter() - started, name)
    )
    return response


async def refused(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """Answer, and report, what aiohttp refused before any handler of ours."""

    async def again(_: web.Request) -> web.StreamResponse:
        raise error

    return await problems(request, again)


def negotiated(request: web.BaseRequest, error: EveryclickError, name: str) -> web.Response:
    """Return the error as a page when a browser asks, else as a problem document.

    Without the headers that every response has. For addresses that people open: short links, and
    whatever they mistake for one.
    """
    if pages.wants_page(request, error.status):
        response = pages.html(
            pages.ERRORS[error.status],
            status=error.status,
            headers={**error.headers, HEADER: name},
        )
    else:
        response = answer(error, name)
    if error.status in pages.ERRORS:
        response.headers[hdrs.VARY] = hdrs.ACCEPT
    return response


def answer(error: EveryclickError, name: str | None = None) -> web.Response:
    """Return the error as a problem document, without the headers that every response has.

    `name` is the request's; one that cannot be read has none, and gets a new one.
    """
    document = Problem(
        title=error.title,
        status=error.status,
        code=error.code,
        detail=error.detail or None,
        errors=list(error.problems) or None,
        request_id=name or new_request_id(),
    )
    response = _response(document, error.headers)
    if error.headers.get(hdrs.CONNECTION) == "close":
        response.force_close()
    return response


def _translated(error: web.HTTPException, name: str) -> web.StreamResponse:
    if error.status < HTTPStatus.BAD_REQUEST:
        raise error
    ours = _OURS.get(error.status)
    if ours is not None:
        allow = error.headers.get(hdrs.ALLOW)
        return answer(ours(headers={hdrs.ALLOW: allow} if allow else None), name)
    status = HTTPStatus(error.status)
    document = Problem(
        title=status.phrase, status=status, code=status.name.lower(), request_id=name
    )
    return _response(document, {})


def _response(document: Problem, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=document.status,
        body=document.model_dump_json(exclude_none=True).encode(),
        content_type="application/problem+json",
        charset="utf-8",
        headers={**headers, HEADER: document.request_id},
    )


def _method(request: web.Request) -> str:
    return request.method if request.method in _METHODS else "other"
