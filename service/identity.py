"""Who asks: the bearer of a token, or the browser that kept it as a cookie."""

from __future__ import annotations

import re

from aiohttp import hdrs, web

from service import cookies
from service.connections import connection
from service.errors import Unauthenticated
from service.lifespan import SETTINGS, TOKENS
from service.store.sessions import session_user
from service.store.users import User
from service.tokens import Claims

_BEARER = re.compile(r"bearer +(?P<token>[^ ]+)", re.IGNORECASE)


async def identify(request: web.Request) -> User:
    """Return the user who asks, as the database knows them now.

    Raises Unauthenticated, with the same words whatever is wrong.
    """
    claims = claimed(request)
    async with connection(request) as held:
        user = await session_user(held, claims.session_id, claims.user_id)
    if user is None:
        raise Unauthenticated
    return user


def claimed(request: web.Request) -> Claims:
    """Return what the request's token says; whether its session still stands is another question.

    The Authorization header goes before the cookie, even when it does not hold. A token in the URL
    is none: URLs end up in logs. Raises Unauthenticated.
    """
    headers = request.headers.getall(hdrs.AUTHORIZATION, [])
    if headers:
        match = _BEARER.fullmatch(headers[0])
        if len(headers) > 1 or match is None:
            raise Unauthenticated
        return request.app[TOKENS].read(match["token"])
    token = cookies.kept(request, request.app[SETTINGS])
    if token is None:
        raise Unauthenticated
    return request.app[TOKENS].read(token)
