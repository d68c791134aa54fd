"""WEB_CONCURRENCY > 1: several processes on one port, and one that watches over them."""

from __future__ import annotations

import os
import sys
import tempfile

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from service.contract.monitor import monitor
from service.contract.observations import Listening, Stopped
from service.contract.postgres import Database
from service.contract.process import OK, stopping
from service.contract.settings import ConfigurationError
from service.server import observer
from service.settings import ServiceSettings
from service.supervisor import Child, Supervisor

WORKER = "EVERYCLICK_WORKER"
"""Set in a worker's environment: share the port, leave metrics to the supervisor."""

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


async def supervise(settings: ServiceSettings, database: Database) -> int:
    """Run the workers until told to stop; serve their metrics added up. Returns an exit code.

    Raises ConfigurationError when PORT is 0.
    """
    if settings.port == 0:
        raise ConfigurationError(
            ["PORT=0: with WEB_CONCURRENCY above 1 each worker would get another port; name one."]
        )
    observe = observer(settings, CollectorRegistry())
    with tempfile.TemporaryDirectory(prefix="everyclick-metrics-") as shared:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=shared)  # type: ignore[no-untyped-call]
        children = [
            Child(
                f"worker {number}",
                [sys.executable, "-m", "service"],
                {WORKER: str(number), MULTIPROCESS: shared},
            )
            for number in range(1, settings.web_concurrency + 1)
        ]
        async with (
            stopping() as stop,
            monitor(settings.metrics_host, settings.metrics_port, registry) as metrics,
        ):
            observe(Listening(f"http://{settings.host}:{settings.port}", metrics, database.where))
            # A little more than the workers allow themselves, or we would cut them short.
            grace = settings.shutdown_timeout + 2.0
            code = await Supervisor(children, observe, grace=grace).run(stop)
    observe(Stopped("service", clean=code == OK))
    return code


def is_worker() -> bool:
    """Tell whether this process is one of the workers."""
    return WORKER in os.environ
