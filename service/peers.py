"""Who is at the other end of a connection."""

from __future__ import annotations

from aiohttp import web


def address_of(request: web.BaseRequest) -> str:
    """Return the client's address, empty when it has none."""
    return request.remote or ""
