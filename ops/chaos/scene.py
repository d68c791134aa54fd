"""The scene: one database, its service and relays under their keepers, and ways that can be broken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ops import smoke
from ops.chaos.cluster import RELAY_ROLE, Cluster
from ops.chaos.errors import ChaosError
from ops.chaos.grounds import Standing
from ops.chaos.kept import Kept
from ops.chaos.scenario import Scenario, Side
from service.contract.postgres import Database
from tests.oracle.checks import Fate
from tests.oracle.client import Paths
from tests.support.log_reader import LogReader, pipe_reader
from tests.support.processes import (
    REPOSITORY,
    SECRET_KEY,
    Process,
    Processes,
    free_ports,
    url_of,
)
from tests.support.proxy import Proxy, proxied

READY = 60.0
"""Seconds the first start may take on a busy machine."""

CAP = 5
"""RELAY_MAX_ATTEMPTS."""

RELAY = {"RELAY_MAX_ATTEMPTS": str(CAP), "RELAY_BACKOFF_SECONDS": "0.1"}
"""A drill has no time for long delays."""


CLOCK = Path(__file__).parent / "clock"
"""Holds a sitecustomize that lets a process's clock jump; see there."""


@dataclass
class Scene:
    """What faults work on."""

    scenario: Scenario
    standing: Standing
    database: Database
    """The direct way, as a superuser."""
    chance: random.Random
    directory: Path
    processes: Processes
    ways: dict[Side, Proxy] = field(default_factory=dict)
    second_ways: dict[Side, Proxy] = field(default_factory=dict)
    """Where there are two hosts: the proxies of the second."""
    services: list[Kept] = field(default_factory=list)
    relays: list[Kept] = field(default_factory=list)
    seeded: dict[UUID, Fate] = field(default_factory=dict)
    link_ids: list[int] = field(default_factory=list)
    log_readers: list[LogReader] = field(default_factory=list)
    url: str = ""

    @property
    def cluster(self) -> Cluster:
        """The server everything is on."""
        return self.standing.cluster

    @property
    def paths(self) -> Paths:
        """What the client asks for."""
        live = tuple(f"live{number}" for number in range(self.scenario.links))
        return Paths(live, gone="gone", unknown="unknown")

    def kept(self, side: Side) -> list[Kept]:
        """The processes of one side."""
        return self.services if side == "service" else self.relays

    async def execute(
        self, statement: str, values: Mapping[str, object] | None = None
    ) -> list[tuple[object, ...]]:
        """Execute on a connection of its own, the direct way; return the rows there are."""
        async with await self.database.aconnect("everyclick-chaos") as connection:
            cursor = await connection.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def scene(
    scenario: Scenario,
    standing: Standing,
    database: Database,
    chance: random.Random,
    directory: Path,
) -> AsyncIterator[Scene]:
    """Set it up on a migrated database; end every process at the end, heard out into a file."""
    async with AsyncExitStack() as stack:
        processes = Processes(standing.logs or directory, {"SECRET_KEY": SECRET_KEY})
        made = Scene(scenario, standing, database, chance, directory, processes)
        stack.callback(_close, processes, directory / "processes.log")
        await _links(made)
        environments = {
            side: await _environment(stack, made, side) for side in ("service", "relay")
        }
        port = free_ports(1)[0]
        made.url = f"http://127.0.0.1:{port}"
        clock = _clock(directory) if scenario.clock else {}
        service = {**clock, **environments["service"], "PORT": str(port), **scenario.service}
        relay = {**clock, **environments["relay"], **RELAY, **scenario.relay}
        if scenario.piped_log:
            start = partial(_piped, stack.enter_context(ExitStack()), made)
        else:
            start = partial(_logging_to_file, made)
        made.services.append(Kept("service", partial(start, "service", service)))
        for _ in range(scenario.relays):
            made.relays.append(Kept("relay", partial(start, "relay", relay)))
        stack.push_async_callback(stop, made)
        await _ready(made)
        yield made


async def stop(made: Scene) -> list[int | None]:
    """Stop everything as an operator would; return the exit codes, none of those stopped before."""
    every = [*made.services, *made.relays]
    made.services, made.relays = [], []
    return list(await asyncio.gather(*(kept.stop() for kept in every)))


def _logging_to_file(made: Scene, module: Side, env: dict[str, str]) -> Process:
    return made.processes.start(module, env=env)


def _piped(stack: ExitStack, made: Scene, module: Side, env: dict[str, str]) -> Process:
    """Start a process that logs to a pipe; what its reader reads goes to the process's file."""
    copy = stack.enter_context((made.directory / f"log-{len(made.log_readers)}").open("wb", 0))
    reader = stack.enter_context(pipe_reader(copy))
    made.log_readers.append(reader)
    process = made.processes.start(module, env=env, stderr=reader.theirs)
    process.stderr_path.unlink()
    process.stderr_path.symlink_to(copy.name)
    return process


async def _environment(stack: AsyncExitStack, made: Scene, side: str) -> dict[str, str]:
    """Return the DATABASE_URL of one side: its own role, through its proxy when it has one."""
    database = made.standing.entrance(made.database)
    for each in made.scenario.through:
        if each == side:
            behind = database
            proxy, database = await stack.enter_async_context(proxied(behind))
            proxy.chance = made.chance
            made.ways[each] = proxy
            if made.scenario.hosts == 2:
                second, other = await stack.enter_async_context(proxied(behind))
                second.refuse = True
                made.second_ways[each] = second
                database = _two_hosts(database, other)
    # A pooler lets in whom it knows.
    if side == "relay" and made.standing.bouncer is None:
        database = replace(database, conninfo=make_conninfo(database.conninfo, user=RELAY_ROLE))
    return {"DATABASE_URL": url_of(database)}


def _two_hosts(first: Database, second: Database) -> Database:
    given = [conninfo_to_dict(each.conninfo) for each in (first, second)]
    listed = {name: ",".join(str(each[name]) for each in given) for name in ("host", "port")}
    return replace(first, conninfo=make_conninfo(first.conninfo, **listed))


def _clock(directory: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{CLOCK}:{REPOSITORY}", "CHAOS_CLOCK": str(directory / "offset")}


async def _links(made: Scene) -> None:
    rows = await made.execute(
        "INSERT INTO links (code, target) SELECT 'live' || n, 'https://example.com/' || n"
        " FROM generate_series(0, %(last)s) AS n ORDER BY n RETURNING id",
        {"last": made.scenario.links - 1},
    )
    made.link_ids = [int(str(row[0])) for row in rows]
    await made.execute(
        "INSERT INTO links (code, target, disabled_at) VALUES ('gone', 'https://example.com/', now())"
    )


async def _ready(made: Scene) -> None:
    deadline = asyncio.get_running_loop().time() + READY
    while not await asyncio.to_thread(smoke.answers, f"{made.url}/readyz", 200):
        if asyncio.get_running_loop().time() > deadline:
            raise ChaosError(f"The service is not ready after {READY:g} s.")
        await asyncio.sleep(0.05)
    while not all(kept.process.logged("database_ready") for kept in made.relays):
        if asyncio.get_running_loop().time() > deadline:
            raise ChaosError(f"Not every relay is ready after {READY:g} s.")
        await asyncio.sleep(0.05)


def _close(processes: Processes, log: Path) -> None:
    with log.open("w", encoding="utf-8") as file, redirect_stdout(file), suppress(psycopg.Error):
        processes.close()
