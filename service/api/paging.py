"""Pages of lists: where one ends and the next begins."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from service.errors import Refused

PATTERN = "[0-9]{1,18}"

_CURSOR = re.compile(PATTERN)


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
