"""A host of their own for short links: nothing but codes is answered there."""

from __future__ import annotations

from time import perf_counter
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from service import pages
from service.contract.observations import Observer, RequestServed
from service.errors import NotFound
from service.links import is_code
from service.problems import UNMATCHED
from service.redirects import METHODS, Redirects, refusal
from service.request_ids import HEADER, request_id
from service.settings import ServiceSettings


class ShortHost:
    """The host of SHORT_URL, when it is another one than BASE_URL's.

    `login` there is a code like any other, and no link can have it; so are `healthz` and `api`.
    Links are found under both hosts: those that were given out before there were two still lead on.
    """

    def __init__(self, name: str, redirects: Redirects, observe: Observer) -> None:
        self._name = name
        self._redirects = redirects
        self._observe = observe

    def has(self, request: web.BaseRequest) -> bool:
        """Whether the request is for this host."""
        return _name(request.headers.get(hdrs.HOST, "")) == self._name

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a code and SHORT_FIXED; 404 what else the other host has, 405 all but GET and HEAD."""
        code = request.path[1:]
        if request.rel_url.raw_path.endswith("/"):
            code = code.removesuffix("/")
        fixed = pages.SHORT_FIXED.get(request.path)
        known = request.method in METHODS
        if known and is_code(code) and hdrs.EXPECT not in request.headers:
            return await self._redirects.answer(request, code)
        started = perf_counter()
        if fixed and known:
            page = fixed()
            page.headers[HEADER] = request_id(request)
            response = self._redirects.completed(page)
        else:
            error = NotFound() if known else refusal(code, fixed=fixed is not None)
            response = self._redirects.refused(request, error)
        method = request.method if request.method in hdrs.METH_ALL else "other"
        seconds = perf_counter() - started
        name = response.headers[HEADER]
        self._observe(RequestServed(method, UNMATCHED, response.status, seconds, name))
        return response


def short_host(
    settings: ServiceSettings, redirects: Redirects, observe: Observer
) -> ShortHost | None:
    """Return the short links' own host; None when they have none."""
    name = _name(urlsplit(settings.link_url).netloc)
    if name == _name(urlsplit(settings.public_url).netloc):
        return None
    return ShortHost(name, redirects, observe)


def _name(host: str) -> str:
    """Return a host without its port and without a dot at its end, in lower case."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name = host
    return name.lower().removesuffix(".")
