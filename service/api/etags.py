"""Which state of something somebody has seen: the conditions made on its ETag (RFC 9110, 13)."""

from __future__ import annotations

import re

from aiohttp import hdrs, web

from service.api.header import Header
from service.errors import PreconditionFailed

ETAG = Header(
    "ETag",
    "The state that is told of.",
    {"type": "string", "pattern": '^"[!#-~]+"$'},
    always=True,
)

IF_MATCH = Header(
    "If-Match",
    "Do it only in one of these states, told by the `ETag` of each; `*` is any.",
    {"type": "string"},
)

IF_NONE_MATCH = Header(
    "If-None-Match",
    "The states that are known, told by the `ETag` of each: 304 when it is in one of them.",
    {"type": "string"},
)

# Between commas: what only ends in a tag, such as w/"1", is none.
_TAG = re.compile(r'(?<![^\s,])(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*")(?![^\s,])')


def check_match(request: web.Request, etag: str) -> None:
    """Raise PreconditionFailed when the request is about another state of a link than this one's.

    Without If-Match every state is meant. A weak tag never matches.
    """
    given = _given(request, hdrs.IF_MATCH)
    if given is not None and given != "*" and etag not in _strong(given):
        raise PreconditionFailed("The link has changed; read it again.")


def is_known(request: web.Request, etag: str) -> bool:
    """Whether If-None-Match says that the state of this tag is known already."""
    given = _given(request, hdrs.IF_NONE_MATCH)
    if given is None:
        return False
    return given == "*" or etag in {tag["opaque"] for tag in _TAG.finditer(given)}


def _given(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(name, [])
    return ", ".join(values).strip() if values else None


def _strong(given: str) -> set[str]:
    return {tag["opaque"] for tag in _TAG.finditer(given) if not tag["weak"]}
