"""What Postgres would do with a statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import LiteralString

import psycopg


async def scanned(
    connection: psycopg.AsyncConnection, statement: LiteralString, parameters: Mapping[str, object]
) -> set[str]:
    """Return the tables, partitions included, that the statement's plan reads from end to end."""
    cursor = await connection.execute("EXPLAIN (FORMAT json) " + statement, parameters)
    row = await cursor.fetchone()
    assert row is not None
    return {
        str(node["Relation Name"])
        for node in _nodes(row[0][0]["Plan"])
        if node["Node Type"] == "Seq Scan"
    }


def _nodes(plan: dict[str, object]) -> Iterator[dict[str, object]]:
    yield plan
    inner = plan.get("Plans", [])
    assert isinstance(inner, list)
    for child in inner:
        yield from _nodes(child)
