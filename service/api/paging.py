"""Pages of lists: where one ends and the next begins."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

from pydantic import AfterValidator, Field, WithJsonSchema

from service.api.header import Header
from service.bodies import Query
from service.errors import Refused

PATTERN = "[0-9]{1,18}"

_CURSOR = re.compile(PATTERN)

LINK = Header(
    "Link",
    "Leads to the next page, if there is one (RFC 8288).",
    {"type": "string", "pattern": '^</api/v1/[a-z]+[?].+>; rel="next"$'},
)


def next_link(path: str, page: Query, cursor: str | None) -> dict[str, str] | None:
    """Return the header that leads to the page at `cursor`, asked for like this one. None: no more."""
    if cursor is None:
        return None
    asked = {**page.model_dump(exclude_none=True), "cursor": cursor}
    # Relative: whatever host and path the client came by, it goes on from there.
    return {LINK.name: f'<{path}?{urlencode(asked)}>; rel="next"'}


def _cursor(text: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise Refused("bad_value", "Use `next` of the page before, or leave it out.")
    return text


Limit = Annotated[int, Field(ge=1, le=200)]

LIMIT = Field(default=50, description="Most entries of the page.", examples=[50])

CURSOR = Field(
    default=None,
    description="Where the page begins: `next` of the page before.",
    examples=["9223372036854775"],
)

NEXT = Field(description="Cursor of the next page. Null: this is the last.", examples=["41"])

Cursor = Annotated[
    str,
    AfterValidator(_cursor),
    WithJsonSchema({"type": "string", "pattern": f"^{PATTERN}$"}),
]
