"""Open loop: requests at a constant rate, whether or not earlier ones have been answered.

Latency counts from the moment a request was *meant* to be sent: when the server, or the generator
itself, falls behind, the wait counts. A closed loop would ask less often just then and so leave
the worst out (coordinated omission). The event loop's timer has steps of a millisecond, so up to
one of the milliseconds told is the generator's own.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter

from ops.bench import wire
from ops.bench.errors import BenchError
from ops.bench.figure import percentile
from ops.bench.load import Load

CONNECTIONS = 256
"""Open connections; when all are taken requests wait, and their latency counts."""

LAST_ANSWERS = 5.0
"""Seconds after the last request until the missing answers are given up."""

Acknowledged = Callable[[int, float], None]
"""Gets the number of a request, from 0, and the time on `perf_counter` its good answer came."""


class _Generator:
    """Sends what is due over whichever connection is free, the last one to become so first."""

    def __init__(
        self, connections: list[wire.Connection], requests: Sequence[bytes], wanted: int
    ) -> None:
        self._idle = list(connections)
        self._requests = requests
        self._wanted = wanted
        self._waiting: deque[tuple[int, float]] = deque()
        self.acknowledged: Acknowledged = lambda _number, _at: None
        self.taken: list[float] = []
        self.failed = 0

    @property
    def settled(self) -> int:
        return len(self.taken) + self.failed

    def due(self, number: int, meant: float) -> None:
        while self._idle:
            connection = self._idle.pop()
            # One that nobody needed for a minute the server has let go of meanwhile, as it may.
            if not connection.lost:
                self._send(connection, number, meant)
                return
        self._waiting.append((number, meant))

    def _send(self, connection: wire.Connection, number: int, meant: float) -> None:
        def answered(status: int) -> None:
            now = perf_counter()
            if status == self._wanted:
                self.taken.append(now - meant)
                self.acknowledged(number, now)
            else:
                self.failed += 1
            if connection.lost:
                return
            if self._waiting:
                self._send(connection, *self._waiting.popleft())
            else:
                self._idle.append(connection)

        connection.ask(self._requests[number % len(self._requests)], answered)


async def open_load(
    url: str,
    paths: Sequence[str],
    *,
    rate: float,
    seconds: float,
    headers: Mapping[str, str],
    wanted: int = 302,
    acknowledged: Acknowledged | None = None,
) -> Load:
    """Ask for the paths in turn, `rate` times a second. Raises BenchError when nothing answers."""
    connections = await wire.connect(url, CONNECTIONS)
    generator = _Generator(connections, [wire.get(url, path, headers) for path in paths], wanted)
    if acknowledged is not None:
        generator.acknowledged = acknowledged
    total = round(rate * seconds)
    with _no_collection():
        began = perf_counter()
        number = 0
        while number < total:
            while number < total and (meant := began + number / rate) <= perf_counter():
                generator.due(number, meant)
                number += 1
            await asyncio.sleep(max(began + number / rate - perf_counter(), 0))
        deadline = perf_counter() + LAST_ANSWERS
        while generator.settled < total and perf_counter() < deadline:  # noqa: ASYNC110 - a bound
            await asyncio.sleep(0.001)
        lasted = perf_counter() - began
    for connection in connections:
        connection.close()
    taken = sorted(generator.taken)
    if not taken:
        raise BenchError(f"None of {total} requests was answered {wanted}.")
    p50, p95, p99 = (percentile(taken, percent) * 1e3 for percent in (50, 95, 99))
    return Load(lasted, len(taken), total - len(taken), p50, p95, p99)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the generator's own garbage collection out of the latencies."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
