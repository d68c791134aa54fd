"""WEB_CONCURRENCY set: worker processes that share the listeners, and their supervisor."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from service.contract.announcement import announce
from service.contract.monitor import monitor
from service.contract.observations import Listening, Stopped
from service.contract.pipeline import measure
from service.contract.ports import metrics_port
from service.contract.postgres import Database
from service.contract.process import OK, stopping
from service.listeners import close, refuse_new
from service.server import levels, observer, opened
from service.settings import ServiceSettings
from service.supervisor import Child, Supervisor
from service.worker import environment

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


async def supervise(settings: ServiceSettings, database: Database, workers: int) -> int:
    """Run the workers until told to stop; serve their metrics added up. Returns an exit code.

    SIGHUP replaces the workers one by one. The listeners are the supervisor's and stay open
    meanwhile: a connection that one worker does not accept waits for another.
    Raises ConfigurationError when a port cannot be had.
    """
    observe = observer(settings, CollectorRegistry())
    again = asyncio.Event()
    chosen_port = metrics_port(settings, "metrics_port")
    listeners = opened(settings)
    try:
        with tempfile.TemporaryDirectory(prefix="everyclick-metrics-") as shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=shared)  # type: ignore[no-untyped-call]
            children = [
                Child(
                    f"worker {number + 1}",
                    [sys.executable, "-m", "service"],
                    {**environment(listeners), MULTIPROCESS: shared},
                    [listener.fileno() for listener in listeners],
                )
                for number in range(workers)
            ]
            async with (
                stopping(again) as stop,
                monitor(settings.metrics_host, chosen_port, registry) as metrics,
            ):
                port = listeners[0].getsockname()[1]
                observe(Listening(f"http://{settings.host}:{port}", metrics, database.address))
                announce()
                closing = asyncio.create_task(_close(listeners, stop))
                measuring = asyncio.create_task(measure(database, levels(observe, registry)))
                # A little more than the workers allow themselves, or we would cut them short.
                grace = settings.shutdown_timeout + 2.0
                try:
                    code = await Supervisor(children, observe, grace=grace).run(stop, again)
                finally:
                    closing.cancel()
                    measuring.cancel()
    finally:
        close(listeners)
    observe(Stopped("service", clean=code == OK))
    return code


async def _close(listeners: Sequence[socket.socket], stop: asyncio.Event) -> None:
    """Once told to stop, refuse new connections; the workers accept what waits and close."""
    await stop.wait()
    refuse_new(listeners)
    close(listeners)
