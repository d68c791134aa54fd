"""The name of one request, by which its answer, its log line and whoever asked can be brought together."""

from __future__ import annotations

import re
import secrets

from aiohttp import web

HEADER = "X-Request-Id"

PATTERN = "[A-Za-z0-9._-]{1,64}"

_FIT = re.compile(PATTERN)


def request_id(request: web.BaseRequest) -> str:
    """Return the name that the client gave the request, a new one when it gave none that is fit."""
    given = request.headers.get(HEADER)
    if given is not None and _FIT.fullmatch(given):
        return given
    return new_request_id()


def new_request_id() -> str:
    """Return a name that no other request has."""
    return secrets.token_hex(16)
