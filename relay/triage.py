"""An action on many dead letters: batch after batch, each one whole and on record.

A batch is one transaction: its letters leave, their events are back in the outbox (or given up),
and the record of the action counts and names them. Killed at any point the action has done whole
batches, and the same order given again does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import psycopg
from psycopg import AsyncConnection

from relay.store.dead_letter_actions import Opened, Order, dead_letter_action_open
from relay.store.dead_letters import (
    BEFORE_ALL,
    Span,
    Step,
    dead_letters_discard,
    dead_letters_replay,
)
from relay.throttle import Throttle
from service.contract.events import MessageId

PATIENCE = 10
"""Times a batch is tried that others' locks get in the way of."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What an action has done: `events` of the `planned`. No action_id: nothing matched."""

    action_id: int | None = None
    planned: int = 0
    events: int = 0


async def act(
    connection: AsyncConnection, order: Order, throttle: Throttle, tell: Callable[[Progress], None]
) -> Progress:
    """Do what is ordered, telling the progress after each batch; return all that was done.

    The letters are passed once, in the order of their ids, up to the last that matched at the
    start: one that dies again meanwhile is not replayed again, and new ones do not keep it going.
    """
    opened: Opened | None = None
    progress = Progress()
    after = BEFORE_ALL
    while True:
        await asyncio.sleep(throttle.wait(progress.events))
        limit = throttle.batch
        if order.most is not None:
            limit = min(limit, order.most - progress.events)
        opened, step = await _batch(connection, order, opened, after, limit)
        if opened is None:
            return progress
        progress = Progress(opened.id, opened.planned, progress.events + step.events)
        tell(progress)
        if step.last is None or step.seen < limit or progress.events == order.most:
            return progress
        after = step.last


async def _batch(
    connection: AsyncConnection, order: Order, opened: Opened | None, after: MessageId, limit: int
) -> tuple[Opened | None, Step]:
    """Do one batch, the first one together with the record that it belongs to."""
    for patience in range(PATIENCE, 0, -1):
        try:
            async with connection.transaction():
                action = opened or await dead_letter_action_open(connection, order)
                if action is None:
                    return None, Step(0, 0, None)
                span = Span(action.id, after, action.through, limit)
                return action, await _step(connection, order, span)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            # Nothing of the batch has happened.
            if patience == 1:
                raise
    raise AssertionError("the last try returns or raises")


async def _step(connection: AsyncConnection, order: Order, span: Span) -> Step:
    match order.action:
        case "replay":
            return await dead_letters_replay(connection, order.choice, span)
        case "discard":
            return await dead_letters_discard(connection, order.choice, span)
        case _:
            assert_never(order.action)
