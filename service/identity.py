"""Who asks: the bearer of a token or an API key, or the browser that kept a token as a cookie."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from service import keys
from service.connections import connection
from service.errors import CrossSite, Unauthenticated
from service.keys import Scope
from service.lifespan import SETTINGS, TOKENS
from service.store.api_keys import api_key_use
from service.store.sessions import session_user
from service.store.users import User
from service.tokens import Claims

COOKIE = "everyclick_session"

_BEARER = re.compile(r"bearer +(?P<token>[^ ]+)", re.IGNORECASE)
_SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what their key was made for; `scopes` None: they have a session, and need none."""

    user: User
    scopes: frozenset[Scope] | None = None


async def identify(request: web.Request) -> Caller:
    """Return who asks, as the database knows them now.

    A key's user has no role but `user`: what an admin's key reaches is the admin's own, and other
    people's things take a session.
    Raises Unauthenticated, with the same words whatever is wrong, and CrossSite.
    """
    bearer = _bearer(request)
    if bearer is not None and keys.is_written(bearer):
        async with connection(request) as held:
            used = await api_key_use(held, keys.digest(bearer))
        if used is None:
            raise Unauthenticated
        return Caller(replace(used.user, role="user"), used.scopes)
    claims = claimed(request)
    async with connection(request) as held:
        user = await session_user(held, claims.session_id, claims.user_id)
    if user is None:
        raise Unauthenticated
    return Caller(user)


def claimed(request: web.Request) -> Claims:
    """Return what the request's token says; whether its session still stands is another question.

    The Authorization header goes before the cookie, even when it does not hold. A token in the URL
    is none: URLs end up in logs. Raises Unauthenticated and CrossSite.
    """
    bearer = _bearer(request)
    if bearer is not None:
        return request.app[TOKENS].read(bearer)
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise Unauthenticated
    # Browsers add a cookie to whatever any site makes them send, a header only to our own requests.
    if request.method not in _SAFE_METHODS and _is_cross_site(request):
        raise CrossSite("Send this request from a page of this site, or with a bearer token.")
    return request.app[TOKENS].read(cookie)


def _bearer(request: web.Request) -> str | None:
    headers = request.headers.getall(hdrs.AUTHORIZATION, [])
    if not headers:
        return None
    match = _BEARER.fullmatch(headers[0])
    if len(headers) > 1 or match is None:
        raise Unauthenticated
    return match["token"]


def _is_cross_site(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site.lower() not in {"same-origin", "none"}
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return False  # no browser, or one that sends SameSite=Lax cookies to nobody else's request
    ours = {request.host.lower(), _host(request.app[SETTINGS].public_url)}
    return _host(origin) not in ours


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
