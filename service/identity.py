"""Who asks: the bearer of a token or an API key, or the browser that kept a token as a cookie."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from aiohttp import hdrs, web

from service import cookies, keys
from service.connections import connection
from service.errors import Unauthenticated
from service.keys import Scope
from service.lifespan import SETTINGS, TOKENS
from service.store.api_keys import api_key_use
from service.store.sessions import session_user
from service.store.users import User
from service.tokens import Claims

_BEARER = re.compile(r"bearer +(?P<token>[^ ]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what their key was made for; `scopes` None: they have a session, and need none."""

    user: User
    scopes: frozenset[Scope] | None = None


async def identify(request: web.Request) -> Caller:
    """Return who asks, as the database knows them now.

    A key's user has no role but `user`: what an admin's key reaches is the admin's own, and other
    people's things take a session.
    Raises Unauthenticated, with the same words whatever is wrong.
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
    is none: URLs end up in logs. Raises Unauthenticated.
    """
    token = _bearer(request)
    if token is None:
        token = cookies.kept(request, request.app[SETTINGS])
    if token is None:
        raise Unauthenticated
    return request.app[TOKENS].read(token)


def _bearer(request: web.Request) -> str | None:
    headers = request.headers.getall(hdrs.AUTHORIZATION, [])
    if not headers:
        return None
    match = _BEARER.fullmatch(headers[0])
    if len(headers) > 1 or match is None:
        raise Unauthenticated
    return match["token"]
