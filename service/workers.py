"""WEB_CONCURRENCY > 1: several processes on one port, and one that watches over them."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from service.contract.announcement import announce
from service.contract.monitor import monitor
from service.contract.observations import Listening, Stopped
from service.contract.postgres import Database
from service.contract.process import OK, stopping
from service.contract.settings import ConfigurationError
from service.doors import close, shut
from service.server import observer, opened
from service.settings import ServiceSettings
from service.supervisor import Child, Supervisor
from service.worker import environment

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


async def supervise(settings: ServiceSettings, database: Database) -> int:
    """Run the workers until told to stop; serve their metrics added up. Returns an exit code.

    SIGHUP replaces the workers one by one. Raises ConfigurationError when PORT is 0.
    """
    if settings.port == 0:
        raise ConfigurationError(
            ["PORT=0: with WEB_CONCURRENCY above 1 each worker would get another port; name one."]
        )
    observe = observer(settings, CollectorRegistry())
    again = asyncio.Event()
    with (
        tempfile.TemporaryDirectory(prefix="everyclick-metrics-") as shared,
        _doors(settings) as doors,
    ):
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=shared)  # type: ignore[no-untyped-call]
        descriptors = [door.fileno() for each in doors for door in each]
        children = [
            Child(
                f"worker {number + 1}",
                [sys.executable, "-m", "service"],
                {**environment(number, doors), MULTIPROCESS: shared},
                descriptors,
            )
            for number in range(len(doors))
        ]
        async with (
            stopping(again) as stop,
            monitor(settings.metrics_host, settings.metrics_port, registry) as metrics,
        ):
            observe(Listening(f"http://{settings.host}:{settings.port}", metrics, database.address))
            announce()
            closing = asyncio.create_task(_close(doors, stop))
            # A little more than the workers allow themselves, or we would cut them short.
            grace = settings.shutdown_timeout + 2.0
            try:
                code = await Supervisor(children, observe, grace=grace).run(stop, again)
            finally:
                closing.cancel()
    observe(Stopped("service", clean=code == OK))
    return code


@contextmanager
def _doors(settings: ServiceSettings) -> Iterator[list[list[socket.socket]]]:
    """Open a door for each worker: ours, so that it stays open when the worker changes.

    One for all would be simpler, but most connections that come while little happens then go to
    the same worker; between several doors the kernel shares them out evenly.
    """
    with ExitStack() as stack:
        doors = []
        for _ in range(settings.web_concurrency):
            doors.append(opened(settings, shared=True))
            stack.callback(close, doors[-1])
        yield doors


async def _close(doors: Sequence[Sequence[socket.socket]], stop: asyncio.Event) -> None:
    """Once told to stop let nobody new in, and leave the closing to the workers."""
    await stop.wait()
    for each in doors:
        shut(each)
        close(each)
