"""The service as it would be without coalescing: one transaction for each redirect.

python -m ops.bench.single [plain | usual]

Everything is the service's own, but each transaction carries one visit, over eight connections at
once. With `plain` the statement is another as well: the one for a single visit that anybody would
write first, and that costs less than the one for many. With `usual` the recorder is another, too:
a psycopg pool and a transaction block around the plain statement, as psycopg's documentation has
it, and as most services that write an outbox are written.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection

from ops.bench.stage import SQL
from service import app, lane, recorder
from service.cli.serve import serve
from service.contract.events import Click
from service.contract.outbox import Resolved, Visit
from service.contract.postgres import Database
from service.contract.process import command_line
from service.recorder import Limits

CONNECTIONS = 8

LIMITS = Limits(lanes=CONNECTIONS, overlap=0.0, batch=1)
"""Eight at once, each with one visit."""


class UsualRecorder:
    """Records each visit for itself, on a connection of a pool; takes Recorder's place."""

    def __init__(self, database: Database, *_: Any) -> None:
        self._pool = database.pool("everyclick-single", size=CONNECTIONS, waiting=1024)

    async def record(self, code: str, click: Click | None) -> Resolved | None:
        """Return where `code` leads, its click committed."""
        await self._pool.open()
        async with self._pool.connection() as connection, connection.transaction():
            found = await visits_record(connection, [Visit(code, click)])
        return found.get(code)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close(timeout=1.0)


async def visits_record(
    connection: AsyncConnection, visits: Sequence[Visit]
) -> Mapping[str, Resolved]:
    """Look one code up and record its click: the plain statement for one visit."""
    (visit,) = visits
    assert visit.click is not None  # noqa: S101 - the load has no HEAD
    cursor = await connection.execute(
        SQL["visit_record"],
        {
            "code": visit.code,
            "message_id": visit.click.message_id,
            "referrer": visit.click.referrer,
            "user_agent": visit.click.user_agent,
        },
        prepare=True,
    )
    row = await cursor.fetchone()
    return {} if row is None else {visit.code: Resolved(*row)}


def main() -> int:
    """Serve as `python -m service` does."""
    vars(recorder)["Limits"] = lambda: LIMITS
    if "plain" in sys.argv:
        vars(lane)["visits_record"] = visits_record
    if "usual" in sys.argv:
        vars(app)["Recorder"] = UsualRecorder
    return serve()


if __name__ == "__main__":
    command_line(main)
