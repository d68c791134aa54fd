"""The other way to build it: a PgQueuer job for each click, whose handler inserts the click.

python -m ops.bench.job_per_click JOBS BATCH

Enqueues the jobs at once, which is not timed, then works through them and prints jobs per second.
The event is the job's payload; the handler does one INSERT, several at once, and keeps no rollup.
PgQueuer runs on its own psycopg driver, but as fast as that can be made: it listens and queries on
one connection, where a query waits up to a second for the listener (some 20 jobs a second, ten at
a time), so here it queries on a second one. The inserts have a pool.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

from pgqueuer.core.qm import QueueManager
from pgqueuer.db import PsycopgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode
from psycopg import AsyncConnection

from ops.bench.stage import REFERRER, SQL, USER_AGENT
from service.contract.events import new_message_id
from service.contract.postgres import Database, database
from service.contract.process import run, say
from service.contract.settings import Settings

ENTRYPOINT = "click"

AT_ONCE = 1000
"""Jobs in one INSERT when they are enqueued."""

CONNECTIONS = 8
"""For the handlers."""


class SplitDriver(PsycopgDriver):
    """PgQueuer's driver with its queries on a connection that nobody listens on."""

    def __init__(self, listener: AsyncConnection, connection: AsyncConnection) -> None:
        super().__init__(listener)
        self._queries = PsycopgDriver(connection)

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return await self._queries.fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        return await self._queries.execute(query, *args)


def main() -> None:
    """Do JOBS jobs, BATCH fetched at a time; print the rate."""
    jobs, batch = map(int, sys.argv[1:])
    with database(Settings.load(), say) as chosen:
        print(run(work(chosen, jobs, batch)))


async def work(chosen: Database, jobs: int, batch: int) -> float:
    """Return jobs per second, from the start of the first handler to the end of the last."""
    pool = chosen.pool("everyclick-bench-jobs", size=CONNECTIONS, waiting=0)
    # A handler waits for its turn as long as it takes.
    pool.timeout = 60.0
    began: list[float] = []
    ended = [0.0]
    async with (
        await chosen.aconnect("everyclick-bench-pgqueuer") as connection,
        await chosen.aconnect("everyclick-bench-listener") as listener,
        pool,
    ):
        queries = Queries(SplitDriver(listener, connection))
        await enqueue(queries, jobs)
        manager = QueueManager(queries)

        @manager.entrypoint(ENTRYPOINT, accepts_context=False)
        async def click(job: Job) -> None:
            began[:] = began or [perf_counter()]
            async with pool.connection() as held:
                event = json.loads(job.payload or b"")
                await held.execute(SQL["click_insert"], event, prepare=True)
            ended[0] = perf_counter()

        await manager.run(batch_size=batch, mode=QueueExecutionMode.drain)
    return jobs / (ended[0] - began[0])


async def enqueue(queries: Queries, jobs: int) -> None:
    """Put the jobs into the queue."""
    for start in range(0, jobs, AT_ONCE):
        number = min(AT_ONCE, jobs - start)
        payloads: list[bytes | None] = [payload() for _ in range(number)]
        await queries.enqueue([ENTRYPOINT] * number, payloads, [0] * number)


def payload() -> bytes:
    """Return an event as JSON."""
    event = {
        "message_id": str(new_message_id()),
        "link_id": 1,
        "referrer": REFERRER,
        "user_agent": USER_AGENT,
    }
    return json.dumps(event).encode()


if __name__ == "__main__":
    main()
