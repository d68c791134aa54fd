"""Good events per second among as many that Postgres refuses, beside the same without those."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

from ops.bench.bench import Bench
from ops.bench.drain import poisoned_drain
from ops.bench.figure import Figure, at_least, compared
from ops.bench.figures.relay import MANY
from ops.bench.stage import SQL

GOOD = 10_000
"""Good events, and as many of the others."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What refuses events, and whether those have anything in common.

    Where they have not, each event has to be tried by itself, which costs about twice a click of a
    batch, and an attempt beside: no target.
    """

    name: str
    refusal: LiteralString
    alike: bool = True


SHAPES = (
    Shape("a CHECK", SQL["stage_check"]),
    Shape("a trigger that looks at the agent", SQL["stage_trigger"]),
    Shape("a trigger that draws lots", SQL["stage_lottery"], alike=False),
)


def poison(bench: Bench) -> Iterator[Figure]:
    """The rate at which the good ones land, from when the relay may begin to the last of them."""
    stage = bench.stage

    def without() -> float:
        stage.reset(MANY)
        stage.backlog(GOOD, MANY)
        return poisoned_drain(stage)

    for shape in SHAPES:

        def among(shape: Shape = shape) -> float:
            stage.reset(MANY)
            if shape.alike:
                stage.poison(GOOD, MANY)
            else:
                stage.backlog(2 * GOOD, MANY)
            with stage.refusing(shape.refusal):
                return poisoned_drain(stage)

        poisoned, clean = bench.turns(among, without)
        yield compared(
            f"poison, {shape.name}",
            "events/s",
            poisoned,
            "without poison",
            clean,
            target=at_least(0.5) if shape.alike else None,
            note=f"{GOOD:,} events, and as many that are refused, mixed",
        )
