"""What a browser sees where there is no redirect: small pages, whole in themselves, without a script.

Programs get problem documents instead; see `prefers_html`. Each page is rendered once.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from html import escape

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.headers import EVERY

DAY = {"Cache-Control": "max-age=86400"}

_STYLE = """\
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1.125rem/1.5 system-ui,sans-serif}
main{max-width:32rem;padding:1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}
p{margin:0;opacity:.8}"""

POLICY = "{}; style-src 'sha256-{}'".format(
    EVERY["Content-Security-Policy"], b64encode(sha256(_STYLE.encode()).digest()).decode()
)
"""The pages' Content-Security-Policy: their own style, nothing else."""


def _page(title: str, text: str, more: str = "") -> bytes:
    """Render a page; `more` is HTML."""
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p>{more}</main></body>
</html>
""".encode()


ERRORS: Mapping[int, bytes] = {
    404: _page("Page not found", "There is nothing at this address. Check it for a typing error."),
    410: _page("This link is no longer available", "It has expired, or its owner disabled it."),
    429: _page("Too many requests", "Wait a moment, then try again."),
    500: _page("Something went wrong", "The error was reported. Try again later."),
    503: _page("Temporarily unavailable", "Try again in a moment."),
}
"""The page of each status that a visitor of short links can meet."""

_DOCS = '<p><a href="/api/docs">API documentation</a></p>'
_HOME = _page("Everyclick", "Short links are served here.", _DOCS)
_SHORT_HOME = _page("Everyclick", "Short links are served here.")

_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def html(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a page as a response."""
    return web.Response(
        status=status,
        body=body,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": POLICY, **(headers or {})},
    )


def home() -> web.Response:
    """Return what stands at `/`."""
    return html(_HOME)


def short_home() -> web.Response:
    """Return what stands at `/` of the short links' own host, where there is nothing else."""
    return html(_SHORT_HOME)


def robots() -> web.Response:
    """Return robots.txt: a crawler that follows short links is counted as a visitor."""
    return web.Response(text="User-agent: *\nDisallow: /\n", headers=DAY)


def favicon() -> web.Response:
    """Return no icon, in a way that browsers remember."""
    return web.Response(status=204, headers=DAY)


FIXED: Mapping[str, Callable[[], web.Response]] = {
    "/": home,
    "/robots.txt": robots,
    "/favicon.ico": favicon,
}
"""Paths that browsers and crawlers ask every host for."""

SHORT_FIXED: Mapping[str, Callable[[], web.Response]] = {**FIXED, "/": short_home}
"""The same on the short links' own host."""


def handler(make: Callable[[], web.Response]) -> Handler:
    """Return a handler that answers every request alike."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return make()

    return handle


def wants_page(request: web.BaseRequest, status: int) -> bool:
    """Whether an error of this status is answered with a page."""
    if status not in ERRORS or hdrs.ACCEPT not in request.headers:
        return False
    return prefers_html(",".join(request.headers.getall(hdrs.ACCEPT)))


def prefers_html(accept: str) -> bool:
    """Whether text/html is named, and no JSON is wanted as much (RFC 9110, 12.5.1).

    Browsers name it; `*/*`, which programs send, does not.
    """
    accept = accept.lower()
    if "text/html" not in accept:
        return False
    best = {"html": 0.0, "json": 0.0, "any": 0.0}
    for each in accept.split(","):
        media, *parameters = (part.strip() for part in each.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                found = _QUALITY.fullmatch(parameter)
                quality = float(found[1]) if found else 0.0
        kind = _KINDS.get(media)
        if kind is not None:
            best[kind] = max(best[kind], quality)
    return best["html"] > best["json"] and best["html"] >= best["any"]


_KINDS = {
    "text/html": "html",
    "application/json": "json",
    "application/problem+json": "json",
    "application/*": "any",
    "*/*": "any",
}
