"""Serves the app from one process until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from service.acceptor import Acceptor
from service.app import create_app
from service.contract.announcement import announce
from service.contract.gate import gate
from service.contract.metrics import PipelineMetrics, ServiceMetrics
from service.contract.monitor import monitor
from service.contract.observations import Listening, Observation, Observer, Stopped
from service.contract.pipeline import measure
from service.contract.ports import metrics_port, port_fault
from service.contract.postgres import Database
from service.contract.process import stopping
from service.contract.settings import ConfigurationError
from service.contract.stderr import logger
from service.draining import rest
from service.hosts import short_host
from service.lifespan import DRAINING
from service.listeners import open_listeners, refuse_new
from service.readiness import NEEDED
from service.redirects import REDIRECTS
from service.runner import Runner
from service.settings import ServiceSettings
from service.shortcut import shorten
from service.worker import Worker

KEEPALIVE = 75.0
"""Seconds an idle connection is kept open for its next request."""

LINGERING = 3.0
"""Seconds for which more of a refused body is taken in, so that its sender sees the answer."""


async def serve(
    settings: ServiceSettings, database: Database, key: bytes, worker: Worker | None = None
) -> None:
    """Serve until SIGTERM, SIGINT or the supervisor's end; whoever asks until then is answered.

    A worker has its listeners from the supervisor and leaves the metrics port to it.
    Raises SchemaError, RequirementError, DurabilityError, and ConfigurationError when a port cannot be had.
    """
    registry = CollectorRegistry()
    observe = observer(settings, registry)
    app = create_app(settings, database, key, observe)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stopping())
        metrics: str | None = None
        if worker is None:
            port = metrics_port(settings, "metrics_port")
            metrics = await stack.enter_async_context(
                monitor(settings.metrics_host, port, registry)
            )
            measuring = asyncio.create_task(measure(database, levels(observe, registry)))
            stack.callback(measuring.cancel)
        gating = asyncio.create_task(gate(database, settings, observe, needed=NEEDED))
        stack.callback(gating.cancel)
        runner = Runner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEPALIVE,
            lingering_time=LINGERING,
            shutdown_timeout=rest(settings.shutdown_timeout),
        )
        await runner.setup()
        shorten(runner, app[REDIRECTS], short_host(settings, app[REDIRECTS], observe))
        stack.push_async_callback(runner.cleanup)
        watching = asyncio.create_task(runner.lines.watch())
        stack.callback(watching.cancel)
        if worker is not None and worker.ready is not None:
            # The one we are to succeed goes on until we are fit for work.
            await _gone_through(gating, stop)
        listeners = worker.listeners if worker else opened(settings)
        port = listeners[0].getsockname()[1]
        await Acceptor(runner, listeners).start()
        if worker is not None:
            worker.serves()
        _quieten_collector()
        observe(Listening(f"http://{settings.host}:{port}", metrics, database.address))
        announce()
        await _gone_through(gating, stop)
        await stop.wait()
        if worker is None:
            refuse_new(listeners)
        await app[DRAINING].run(runner, settings.shutdown_timeout)
    observe(Stopped("service", clean=True))


def _quieten_collector() -> None:
    # What start-up made lives as long as the process: the collector need not walk it again. And
    # what a request makes goes with its last reference; cycles are rare enough to be looked for
    # after 50,000 allocations instead of 700.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def observer(settings: ServiceSettings, registry: CollectorRegistry) -> Observer:
    """Return the observer that logs and counts."""
    count = ServiceMetrics(registry)
    log = logger(settings.log_level, settings.log_format, "service", count)

    def observe(observation: Observation) -> None:
        count(observation)
        log(observation)

    return observe


def levels(observe: Observer, registry: CollectorRegistry) -> Observer:
    """Return the observer that also sets the gauges of the pipeline, in the registry that is served."""
    level = PipelineMetrics(registry)

    def observe_levels(observation: Observation) -> None:
        level(observation)
        observe(observation)

    return observe_levels


async def _gone_through(gating: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Wait until the gate is passed, or for `stop`. Raises the error of one that cannot be."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, gating}, return_when=asyncio.FIRST_COMPLETED)
        if gating.done():
            gating.result()
    finally:
        stopped.cancel()


def opened(settings: ServiceSettings) -> list[socket.socket]:
    """Listen on HOST and PORT. Raises ConfigurationError when they cannot be had."""
    try:
        return open_listeners(settings.host, settings.port)
    except OSError as error:
        raise ConfigurationError(
            [port_fault("PORT", settings.host, settings.port, error)]
        ) from error
