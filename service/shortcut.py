"""The way around the router: a plain `GET /code` reaches its redirect without being matched.

Routing costs about as much as everything else that a redirect does in Python. Whatever is not
exactly such a request takes the ordinary way and is answered by the same code.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

from aiohttp import hdrs, web

from service.hosts import ShortHost
from service.links import is_code
from service.problems import refused
from service.redirects import Redirects


def shorten(runner: web.AppRunner, redirects: Redirects, short: ShortHost | None = None) -> None:
    """Put the shortcut in front of the runner's app. Call it between setup and the first site.

    On the host of `short`, if there is one, nothing but codes is answered.
    """
    server = runner.server
    if server is None:
        raise RuntimeError("the runner has not been set up")
    ordinary = server.request_handler
    # Paths of our own that look like codes: /healthz and the like.
    taken = {resource.canonical for resource in runner.app.router.resources()}

    def handle(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        path = request.raw_path
        if (
            request.method == hdrs.METH_GET
            and is_code(path[1:])
            and path not in taken
            and hdrs.EXPECT not in request.headers
        ):
            return redirects.answer(request, path[1:])
        return routed(request)

    async def routed(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await ordinary(request)
        except web.HTTPException as error:
            # What has no path, `OPTIONS *` or CONNECT, no route of ours is asked about.
            return await refused(cast("web.Request", request), error)

    if short is None:
        server.request_handler = handle
        return

    def handle_both(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        return short.answer(request) if short.has(request) else handle(request)

    server.request_handler = handle_both
