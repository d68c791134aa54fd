"""Every scenario there is, and which of them to play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ops.chaos.scenario import Scenario
from ops.chaos.scenarios import events, machine, network, processes, server

CATALOGUE: Final[Sequence[Scenario]] = (
    *processes.SCENARIOS,
    *events.SCENARIOS,
    *server.SCENARIOS,
    *network.SCENARIOS,
    *machine.SCENARIOS,
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
