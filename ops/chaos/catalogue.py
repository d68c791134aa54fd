"""Every scenario: what is broken under which traffic, and what must hold beside the invariants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from ops.chaos.faults.sessions import PostgresDown, Terminated
from ops.chaos.faults.signals import Killed
from ops.chaos.scenario import Holds, Scenario

CATALOGUE: Final[Sequence[Scenario]] = (
    Scenario(
        "F01",
        "service killed, again and again",
        [partial(Killed, side="service")],
        gap=(0.5, 3.0),
        smoke=25,
    ),
    Scenario(
        "F03",
        "the only relay killed, again and again",
        [partial(Killed, side="relay")],
        gap=(0.5, 3.0),
        holds=Holds(found_again=0.5, counted_again=5.0, found=1.0),
        smoke=25,
    ),
    Scenario(
        "F14",
        "ten sessions of the service terminated each second",
        [partial(Terminated, side="service", rate=10)],
        hold=(5.0, 10.0),
        holds=Holds(found=0.999),
        smoke=20,
    ),
    Scenario(
        "F16",
        "Postgres crashes and stays down for a while",
        [partial(PostgresDown, manner="immediate")],
        gap=(3.0, 5.0),
        hold=(1.0, 10.0),
        smoke=25,
    ),
)


def listed() -> str:
    """Return the scenarios, a line each; those of the smoke set are marked."""
    return "\n".join(
        f"{scenario.name:<4} {'smoke' if scenario.smoke else '     '}  {scenario.what}"
        for scenario in CATALOGUE
    )


def chosen(only: str | None, *, full: bool, seconds: float | None = None) -> list[Scenario]:
    """Return what to play: those named, a comma between, all, or the smoke set for its seconds.

    Raises ValueError.
    """
    if only is not None:
        names = [name.strip() for name in only.split(",")]
        if unknown := [name for name in names if name not in {each.name for each in CATALOGUE}]:
            raise ValueError(f"nothing is called {', '.join(unknown)}; --list tells the names")
        found = [each for each in CATALOGUE if each.name in names]
    elif full:
        found = list(CATALOGUE)
    else:
        found = [replace(each, seconds=each.smoke) for each in CATALOGUE if each.smoke]
    return found if seconds is None else [replace(each, seconds=seconds) for each in found]
