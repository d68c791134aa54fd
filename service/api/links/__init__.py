"""Links: making them one by one or a thousand at once, reading, changing and removing them."""

from __future__ import annotations

from service.api.links import bulk, changing, making, reading

OPERATIONS = (making.CREATE, bulk.CREATE, *reading.OPERATIONS, *changing.OPERATIONS)
