"""How figures are told: a table for people, JSON for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from ops.bench.figure import Figure, Spread

HEAD = ("figure", "measured", "reference", "ratio (least to greatest)", "target", "holds")


def table(figures: Iterable[Figure]) -> str:
    """Return a Markdown table, aligned; the notes stand below it."""
    figures = list(figures)
    rows = [HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|".join(["", *("-" * (width + 2) for width in widths), ""]))
    notes = [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def described(machine: Mapping[str, object]) -> str:
    """Return the machine's description, a line each."""
    width = max(len(name) for name in machine)
    return "\n".join(f"{name.replace('_', ' '):<{width}}  {fact}" for name, fact in machine.items())


def as_json(
    machine: Mapping[str, object],
    options: Mapping[str, object],
    figures: Iterable[Figure],
    failed: Mapping[str, str],
) -> str:
    """Return everything as one JSON object; `failed` says why a measurement could not be made."""
    told = [{**asdict(figure), "holds": figure.holds} for figure in figures]
    whole = {"machine": machine, "options": options, "figures": told, "failed": failed}
    return json.dumps(whole, indent=2, default=str) + "\n"


def number(value: float) -> str:
    """Return a number with three significant digits, more when it is large, in groups of three."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _row(figure: Figure) -> tuple[str, ...]:
    holds = {True: "yes", False: "NO", None: ""}[figure.holds]
    reference = ""
    if figure.reference_value is not None:
        reference = f"{figure.reference}: {number(figure.reference_value.median)}"
    return (
        figure.name,
        f"{_spread(figure.value)} {figure.unit}".rstrip(),
        reference,
        "" if figure.ratio is None else _spread(figure.ratio),
        "" if figure.target is None else str(figure.target),
        holds,
    )


def _spread(spread: Spread) -> str:
    least, middle, greatest = (
        number(value) for value in (spread.least, spread.median, spread.greatest)
    )
    return middle if least == greatest else f"{middle} ({least} to {greatest})"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return (
        "| "
        + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        + " |"
    )
