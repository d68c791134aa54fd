"""Kept processes come back by themselves, and end when they are told to."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ops.chaos.hygiene import most_growth
from ops.chaos.kept import Kept
from tests.support.processes import Process, Processes

pytestmark = pytest.mark.process

SLEEP = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """A process that would run for long."""
    processes = Processes(tmp_path, {})

    def start() -> Process:
        return processes.start_program([sys.executable, "-c", SLEEP])

    made = Kept("sleeper", start)
    try:
        yield made
    finally:
        await made.stop()
        processes.close()


async def true(look: Callable[[], object]) -> None:
    """Wait for something."""
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.01)


async def test_a_killed_process_comes_back(kept: Kept) -> None:
    """Another pid, and its end is noted."""
    first = kept.process.pid
    kept.signal(signal.SIGKILL)
    await true(lambda: kept.process.pid != first and kept.running)
    assert [-signal.SIGKILL] == kept.fallen


async def test_a_resting_process_stays_down(kept: Kept) -> None:
    """Until it is resumed; its end is no fall."""
    first = kept.process.pid
    await true(lambda: kept.process.stdout)
    await kept.rest()
    assert (False, []) == (kept.running, kept.fallen)
    kept.resume()
    assert (True, True) == (kept.running, kept.process.pid != first)


async def test_a_frozen_process_can_be_stopped(kept: Kept) -> None:
    """It is let go on first, and its end told: what does not handle SIGTERM dies of it."""
    await true(lambda: kept.process.stdout)
    kept.signal(signal.SIGSTOP)
    await kept.stop()
    assert -signal.SIGTERM == kept.process.code
    assert not kept.running


def test_growth_is_that_of_those_who_lived_through_it() -> None:
    """The most that one has grown; one that was started meanwhile does not count."""
    assert 5 == most_growth({1: 10, 2: 10, 3: 10}, {1: 12, 2: 15, 4: 90})
    assert 0 == most_growth({}, {4: 90})
