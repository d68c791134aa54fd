"""A mover whose policy each test may change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from psycopg import AsyncConnection

from relay.events import PendingEvent
from relay.mover import Mover, Policy
from relay.settlement import Terms
from service.contract.observations import BatchMoved, Observation

MakeMover = Callable[..., Mover]


@pytest.fixture
def make_mover(observed: list[Observation]) -> MakeMover:
    """Makes a mover: batches of 500, five attempts, failed events due again at once."""
    usual = {"max_attempts": 5, "backoff_seconds": 0.0, "chance": lambda: 0.5}

    def make(
        batch_size: int = 500, handle: Callable[[PendingEvent], None] | None = None, **terms: Any
    ) -> Mover:
        policy = Policy(batch_size, Terms(**{**usual, **terms}), handle)
        return Mover(policy, observed.append)

    return make


@pytest.fixture
def mover(make_mover: MakeMover) -> Mover:
    """A mover with the usual policy."""
    return make_mover()


async def one_pass(mover: Mover, connection: AsyncConnection) -> None:
    """Move batches until nothing more is due, as the relay's job does."""
    while await mover.move(connection):
        pass


def batches(observed: list[Observation]) -> list[BatchMoved]:
    """The canonical lines of the batches so far."""
    return [each for each in observed if isinstance(each, BatchMoved)]
