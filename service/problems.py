"""Whatever goes wrong leaves as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from time import perf_counter

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.connections import UNAVAILABLE
from service.contract.observations import DatabaseUnavailable, RequestFailed, RequestServed
from service.errors import EveryclickError, MethodNotAllowed, NotFound, TooLarge, Unavailable
from service.lifespan import DRAINING, OBSERVE

ANYTHING = "/{anything:.*}"
"""The route of all paths that no other route has."""

CATCH_ALL = "/{anything}"
"""What aiohttp calls it; it is reported as UNMATCHED."""

UNMATCHED = "unmatched"

OUR_FAULT = "This is our fault; it has been reported."

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    hdrs.CACHE_CONTROL: "no-store",
    # Set here because aiohttp otherwise tells its own version and Python's.
    hdrs.SERVER: "everyclick",
}
"""On every response but a redirect, which carries its own."""

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


async def unmatched(request: web.Request) -> web.StreamResponse:
    """Refuse what no route answers: 405 when only the method is wrong, else 404."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != CATCH_ALL:
            allowed |= (await resource.resolve(request))[1]
    if allowed:
        raise MethodNotAllowed(headers={hdrs.ALLOW: ",".join(sorted(allowed))})
    raise NotFound


async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors, add HEADERS, and report the request."""
    started = perf_counter()
    resource = request.match_info.route.resource
    route = UNMATCHED if resource is None else resource.canonical
    if route == CATCH_ALL:
        route = UNMATCHED
    try:
        response = await handler(request)
    except EveryclickError as error:
        response = answer(error)
    except web.HTTPException as error:
        response = _translated(error)
    except UNAVAILABLE as error:
        request.app[OBSERVE](DatabaseUnavailable("request", str(error).strip() or "no answer"))
        response = answer(Unavailable("Try again in a moment."))
    except Exception as error:  # noqa: BLE001 - the last resort: reported with its trace
        request.app[OBSERVE](RequestFailed(_method(request), route, error))
        response = answer(EveryclickError(OUR_FAULT))
    for name, value in {**HEADERS, **request.get(BESIDES, {})}.items():
        response.headers.setdefault(name, value)
    if request.app[DRAINING].begun:
        response.force_close()
    request.app[OBSERVE](
        RequestServed(_method(request), route, response.status, perf_counter() - started)
    )
    return response


def answer(error: EveryclickError) -> web.Response:
    """Return the error as a problem document."""
    errors = [
        {"pointer": problem.pointer, "detail": problem.detail, "code": problem.code}
        for problem in error.problems
    ]
    response = _document(error.status, error.code, error.title, error.detail, errors, error.headers)
    if error.headers.get(hdrs.CONNECTION) == "close":
        response.force_close()
    return response


def _translated(error: web.HTTPException) -> web.StreamResponse:
    if error.status < HTTPStatus.BAD_REQUEST:
        raise error
    ours = _OURS.get(error.status)
    if ours is not None:
        allow = error.headers.get(hdrs.ALLOW)
        return answer(ours(headers={hdrs.ALLOW: allow} if allow else None))
    status = HTTPStatus(error.status)
    return _document(status, status.name.lower(), status.phrase, "", [], {})


def _document(
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: list[dict[str, str]],
    headers: dict[str, str],
) -> web.Response:
    document = {"type": "about:blank", "title": title, "status": status, "code": code}
    if detail:
        document["detail"] = detail
    if errors:
        document["errors"] = errors
    return web.Response(
        status=status,
        text=json.dumps(document),
        content_type="application/problem+json",
        headers={**HEADERS, **headers},
    )


def _method(request: web.Request) -> str:
    return request.method if request.method in _METHODS else "other"
