"""Whose page sent a request: a browser says so, and what other sites' pages send changes nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from service.errors import CrossSite
from service.lifespan import SETTINGS

SITE = "Sec-Fetch-Site"

_SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


def refuse_foreign(request: web.Request) -> None:
    """Refuse what may change something and was sent by a page that is not ours. Raises CrossSite.

    A browser adds our cookie to whatever a page makes it send, and can be logged in to somebody
    else's account; it does not let a page set Authorization. A sibling (same-site) is another
    site. Who says nothing of a page is no browser of today: each sends Origin with a POST.
    """
    if request.method in _SAFE_METHODS or hdrs.AUTHORIZATION in request.headers:
        return
    sites = request.headers.getall(SITE, [])
    if sites:
        foreign = sites[0].lower() not in {"same-origin", "none"} or len(sites) > 1
    else:
        foreign = any(not _is_ours(o, request) for o in request.headers.getall(hdrs.ORIGIN, []))
    if foreign:
        raise CrossSite("Send this request from a page of this site, or with a bearer token.")


def _is_ours(origin: str, request: web.Request) -> bool:
    settings = request.app[SETTINGS]
    ours = _origin(settings.public_url)
    if _origin(origin) == ours:
        return ours is not None
    # Without BASE_URL nobody has said what we are called; what the browser called us must do.
    return settings.base_url is None and _host(origin) == request.host.lower() != ""


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname or "", port) if parts.hostname else None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None
