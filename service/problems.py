"""The one middleware: whatever goes wrong leaves as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from time import perf_counter

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.connections import UNAVAILABLE
from service.contract.observations import DatabaseUnavailable, RequestFailed, RequestServed
from service.errors import EveryclickError, MethodNotAllowed, NotFound, TooLarge, Unavailable
from service.lifespan import OBSERVE

REDIRECT = "/{code}"
"""The route that reports for itself."""

UNMATCHED = "unmatched"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    hdrs.CACHE_CONTROL: "no-store",
    # Set here because aiohttp otherwise tells its own version and Python's.
    hdrs.SERVER: "everyclick",
}
"""On every response but a redirect, which carries its own."""

_OURS = {error.status: error for error in (NotFound, MethodNotAllowed, TooLarge)}
# A method is whatever token the client makes up; what is counted by method stays a short list.
_METHODS = hdrs.METH_ALL


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors, add HEADERS, and report the request unless it was for a code."""
    started = perf_counter()
    resource = request.match_info.route.resource
    route = UNMATCHED if resource is None else resource.canonical
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
        response = answer(EveryclickError("This is our fault; it has been reported."))
    if route != REDIRECT:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
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
