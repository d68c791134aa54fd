"""The session's cookie: how it is set, kept to this host, read and removed."""

from __future__ import annotations

from aiohttp import hdrs, web

from service.settings import ServiceSettings

NAME = "everyclick_session"
"""Its name over plain http, which is for development."""

HOST_NAME = f"__Host-{NAME}"
"""Its name over https: browsers take it from this host by TLS only, and for this host only
(RFC 6265bis, 4.1.3.2); no sibling can put one of its own in its place."""


def name(settings: ServiceSettings) -> str:
    """Return the cookie's name."""
    return HOST_NAME if settings.is_https else NAME


def keep(
    response: web.StreamResponse, settings: ServiceSettings, token: str, *, seconds: int
) -> None:
    """Have the browser keep the token for so long."""
    response.set_cookie(
        name(settings),
        token,
        max_age=seconds,
        path="/",
        secure=settings.is_https,
        httponly=True,
        samesite="Lax",
    )


def forget(response: web.StreamResponse, settings: ServiceSettings) -> None:
    """Have the browser remove it."""
    response.del_cookie(
        name(settings), path="/", secure=settings.is_https, httponly=True, samesite="Lax"
    )


def kept(request: web.BaseRequest, settings: ServiceSettings) -> str | None:
    """Return the token that the browser has kept; none when it sends two, one of them is not ours.

    Read without aiohttp's parser, which has a warning for each of a thousand bad cookies.
    """
    wanted = name(settings)
    found = [
        value.strip(' \t"')
        for line in request.headers.getall(hdrs.COOKIE, [])
        for told, _, value in (pair.partition("=") for pair in line.split(";"))
        if told.strip(" \t") == wanted
    ]
    return found[0] if len(found) == 1 else None
