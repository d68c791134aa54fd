"""The number of a thing in a path."""

from __future__ import annotations

from aiohttp import web

from service.errors import NotFound

_BIGINT_DIGITS = 18


def number(request: web.Request, detail: str) -> int:
    """Return the number in the path. Raises NotFound, with this detail, for what can be none."""
    given = request.match_info["id"]
    if not (given.isascii() and given.isdigit() and len(given) <= _BIGINT_DIGITS):
        raise NotFound(detail)
    return int(given)
