"""Whose link a path is about."""

from __future__ import annotations

from aiohttp import web

from service import links
from service.errors import Forbidden, NotFound
from service.store.links import Link
from service.store.users import User


def coded(request: web.Request) -> str:
    """Return the code in the path. Raises NotFound for what no link can have."""
    code = request.match_info["code"]
    if not links.is_code(code):
        raise NotFound("No link has this code.")
    return code


def owned(link: Link | None, user: User) -> Link:
    """Return the link when it is the user's to see. Raises NotFound and Forbidden."""
    if link is None:
        raise NotFound("No link has this code.")
    if user.role != "admin" and link.owner_id != user.id:
        raise Forbidden("The link belongs to another account.")
    return link
