"""How instants are read and written: ISO 8601, written in UTC and ending in Z."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from service import links


def _in_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_in_utc)]
"""An instant of an answer; whatever zone it comes in, it is written in UTC."""

CREATED_AT = Field(description="When it was created.", examples=["2026-11-24T12:00:00Z"])


def _expiry(given: object) -> object:
    return links.expiry(given, datetime.now(UTC)) if isinstance(given, str) else given


Expiry = Annotated[datetime, BeforeValidator(_expiry)]
"""When something is to end, by the rule for links."""
