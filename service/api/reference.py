"""GET /api/openapi.json, and GET /api/docs: the same for people, a page without scripts."""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiohttp import web

from service import __version__
from service.api.answers import CACHE
from service.api.document import document
from service.api.etags import ETAG, IF_NONE_MATCH, is_known
from service.api.examples import curl_line
from service.api.operation import Operation
from service.api.site import Site
from service.headers import EVERY


@dataclass(frozen=True, slots=True)
class Page:
    """Something that stays the same while the process lives."""

    body: bytes
    content_type: str
    etag: str
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The document, and the page that is made of it."""

    document: Page
    page: Page


class Shelf:
    """Holds the reference once somebody has asked for it; making it is no part of a start."""

    def __init__(self, operations: Sequence[Operation], where: Site) -> None:
        self._operations = operations
        self._where = where
        self._making: asyncio.Future[Reference] | None = None

    async def get(self) -> Reference:
        """Return it, made on a thread of its own: redirects do not wait for it."""
        if self._making is None:
            self._making = asyncio.ensure_future(
                asyncio.to_thread(reference, self._operations, self._where)
            )
        return await asyncio.shield(self._making)


SHELF = web.AppKey("reference", Shelf)


def reference(operations: Iterable[Operation], where: Site) -> Reference:
    """Return what describes the operations."""
    # Nor is loading what makes it.
    from jinja2 import (  # noqa: PLC0415
        Environment,
        PackageLoader,
        StrictUndefined,
        select_autoescape,
    )

    described = document(operations, __version__, where)
    lines = {
        operation["operationId"]: curl_line(described, method, path)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    pages = Environment(
        loader=PackageLoader("service"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = pages.get_template("style.css").render()
    page = pages.get_template("reference.html").render(api=described, curl=lines, style=style)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"{EVERY['Content-Security-Policy']}; style-src 'sha256-{digest}'"
    return Reference(
        _page(json.dumps(described).encode(), "application/json"),
        _page(page.encode(), "text/html", policy),
    )


async def openapi(request: web.Request) -> web.Response:
    """Answer the document."""
    return _answer(request, (await request.app[SHELF].get()).document)


async def docs(request: web.Request) -> web.Response:
    """Answer the page."""
    return _answer(request, (await request.app[SHELF].get()).page)


def _page(body: bytes, content_type: str, policy: str | None = None) -> Page:
    return Page(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"', policy)


def _answer(request: web.Request, page: Page) -> web.Response:
    headers = {ETAG.name: page.etag, CACHE.name: "no-cache"}
    if page.policy is not None:
        headers["Content-Security-Policy"] = page.policy
    if is_known(request, page.etag):
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=page.body, content_type=page.content_type, charset="utf-8", headers=headers
    )


OPERATIONS = (
    Operation(
        id="describeApi",
        method="GET",
        path="/api/openapi.json",
        handler=openapi,
        access="anyone",
        summary="This document.",
        answers={200: "application/json", 304: None},
        asks=(IF_NONE_MATCH,),
        tells=(ETAG, CACHE),
    ),
    Operation(
        id="readApi",
        method="GET",
        path="/api/docs",
        handler=docs,
        access="anyone",
        summary="This document as a page.",
        answers={200: "text/html", 304: None},
        asks=(IF_NONE_MATCH,),
        tells=(ETAG, CACHE),
    ),
)
