"""Which state of a link somebody has seen: its ETag, and the conditions made on it (RFC 9110, 13)."""

from __future__ import annotations

import re

from aiohttp import hdrs, web

from service.errors import PreconditionFailed
from service.store.links import Link

# Between commas: what only ends in a tag, such as w/"1", is none.
_TAG = re.compile(r'(?<![^\s,])(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*")(?![^\s,])')


def etag(link: Link) -> str:
    """Return the strong ETag of a link: another one for each change, and for each link of its code."""
    return f'"{link.id}.{link.version}"'


def check_match(request: web.Request, link: Link) -> None:
    """Raise PreconditionFailed when the request is about another state of the link than this one.

    Without If-Match every state is meant. A weak tag never matches.
    """
    given = _given(request, hdrs.IF_MATCH)
    if given is not None and given != "*" and etag(link) not in _strong(given):
        raise PreconditionFailed("The link has changed; read it again.")


def is_known(request: web.Request, link: Link) -> bool:
    """Whether If-None-Match says that this state is known already."""
    given = _given(request, hdrs.IF_NONE_MATCH)
    if given is None:
        return False
    return given == "*" or etag(link) in {tag["opaque"] for tag in _TAG.finditer(given)}


def _given(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(name, [])
    return ", ".join(values).strip() if values else None


def _strong(given: str) -> set[str]:
    return {tag["opaque"] for tag in _TAG.finditer(given) if not tag["weak"]}
