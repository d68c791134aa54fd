"""Every scenario there is, and which of them to play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ops.chaos.scenario import Scenario
from ops.chaos.scenarios import events, machine, network, processes, server, soak

CATALOGUE: Final[Sequence[Scenario]] = (
    *processes.SCENARIOS,
    *events.SCENARIOS,
    *server.SCENARIOS,
    *network.SCENARIOS,
    *machine.SCENARIOS,
    *soak.SCENARIOS,
)


def listed() -> str:
    """Return the scenarios, a line each; those of the smoke set are marked, and soaks."""
    return "\n".join(f"{each.name:<4} {_mark(each):<5}  {each.what}" for each in CATALOGUE)


def chosen(
    only: str | None,
    *,
    full: bool,
    seconds: float | None = None,
    beat: float | None = None,
) -> list[Scenario]:
    """Return what to play: those named, a comma between, all but soaks, or the smoke set.

    `seconds` and `beat` take the place of their own, `beat` that of soaks alone.

    Raises ValueError.
    """
    if only is not None:
        names = [name.strip() for name in only.split(",")]
        if unknown := [name for name in names if name not in {each.name for each in CATALOGUE}]:
            raise ValueError(f"nothing is called {', '.join(unknown)}; --list tells the names")
        found = [each for each in CATALOGUE if each.name in names]
    elif full:
        found = [each for each in CATALOGUE if each.beat is None]
    else:
        found = [replace(each, seconds=each.smoke) for each in CATALOGUE if each.smoke]
    if seconds is not None:
        found = [replace(each, seconds=seconds) for each in found]
    return found if beat is None else [replace(each, beat=each.beat and beat) for each in found]


def _mark(scenario: Scenario) -> str:
    return "smoke" if scenario.smoke else "soak" if scenario.beat else ""
