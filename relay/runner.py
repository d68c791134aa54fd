"""The relay as a process: sessions, one after another, until it is told to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from time import monotonic

import psycopg
from prometheus_client import CollectorRegistry

from relay.faults import FaultDrill
from relay.mover import Mover, Policy
from relay.progress import Progress
from relay.session import Session
from relay.settings import RelaySettings
from relay.settlement import Terms
from service.contract import statements
from service.contract.announcement import announce
from service.contract.gate import gate
from service.contract.metrics import PipelineMetrics, RelayMetrics
from service.contract.monitor import monitor
from service.contract.observations import (
    DatabaseUnavailable,
    JobFailed,
    Listening,
    Observation,
    Observer,
    Stopped,
)
from service.contract.observations import FaultDrill as FaultDrillActive
from service.contract.ports import metrics_port
from service.contract.postgres import Database
from service.contract.process import FAILED, OK, stopping
from service.contract.stderr import logger
from service.contract.transience import is_transient, needs_operator

NEEDED = statements.load("relay")
"""What the relay runs; its role must be able to."""

PAUSE = 0.2
"""Seconds between a session that fell and the next try; the gate then waits for the database."""


async def run(settings: RelaySettings, database: Database) -> int:
    """Move events until SIGTERM, SIGINT or the supervisor's end. Returns an exit code.

    Raises SchemaError, RequirementError, DurabilityError, and ConfigurationError when the metrics port is taken.
    """
    registry = CollectorRegistry()
    observe = observer(settings, registry)
    progress = Progress(monotonic)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stopping())
        port = metrics_port(settings, "relay_metrics_port")
        metrics = await stack.enter_async_context(
            monitor(
                settings.metrics_host, port, registry, progress.health, setting="RELAY_METRICS_PORT"
            )
        )
        observe(Listening(None, metrics, database.address))
        announce()
        session = Session(
            database,
            mover(settings, observe),
            observe,
            shutdown_timeout=settings.shutdown_timeout,
            progress=progress,
        )
        clean = await _sessions(session, settings, database, observe, stop)
    observe(Stopped("relay", clean=clean))
    return OK if clean else FAILED


def mover(settings: RelaySettings, observe: Observer) -> Mover:
    """Return the mover that the settings describe, and say loudly when it is to fail on purpose."""
    drill = None
    if settings.relay_fault_rate > 0:
        observe(FaultDrillActive(settings.relay_fault_rate))
        drill = FaultDrill(settings.relay_fault_rate, settings.relay_max_attempts, random.random)
    return Mover(
        Policy(
            batch_size=settings.relay_batch_size,
            terms=Terms(settings.relay_max_attempts, settings.relay_backoff_seconds, random.random),
            handle=drill,
        ),
        observe,
    )


def observer(settings: RelaySettings, registry: CollectorRegistry) -> Observer:
    """Return the observer that logs and counts."""
    count = RelayMetrics(registry)
    level = PipelineMetrics(registry)
    log = logger(settings.log_level, settings.log_format, "relay", count)

    def observe(observation: Observation) -> None:
        count(observation)
        level(observation)
        log(observation)

    return observe


async def _sessions(
    session: Session,
    settings: RelaySettings,
    database: Database,
    observe: Observer,
    stop: asyncio.Event,
) -> bool:
    passed = False
    while not stop.is_set():
        if not await _finished(
            gate(database, settings, observe, needed=NEEDED, again=passed), stop
        ):
            return True
        passed = True
        try:
            return await session.run(stop)
        except psycopg.Error as error:
            if is_transient(error) and not needs_operator(error):
                observe(DatabaseUnavailable(doing="session", error=str(error).strip()))
            else:
                observe(JobFailed("session", error))
        except Exception as error:  # noqa: BLE001 - what PgQueuer could make nothing of ends nobody
            observe(JobFailed("session", error))
            session.distrust()
        await _finished(asyncio.sleep(PAUSE), stop)
    return True


async def _finished(work: Coroutine[None, None, None], stop: asyncio.Event) -> bool:
    """Wait for the work or for `stop`; true when the work came to its end. Raises its error."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return True
        return False
    finally:
        stopped.cancel()
        task.cancel()
