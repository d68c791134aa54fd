"""How instants are written: ISO 8601 in UTC, ending in Z."""

from __future__ import annotations

from datetime import UTC, datetime


def written(instant: datetime) -> str:
    """Return the instant as JSON carries it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def written_or_none(instant: datetime | None) -> str | None:
    """Return the same, None for none."""
    return None if instant is None else written(instant)
