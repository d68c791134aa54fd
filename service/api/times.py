"""How instants are written: ISO 8601 in UTC, ending in Z."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator


def _in_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_in_utc)]
"""An instant of an answer; whatever zone it comes in, it is written in UTC."""
