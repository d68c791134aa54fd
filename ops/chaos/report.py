"""How a drill is told: tables for people, JSON for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import isinf

from ops.chaos.result import Result, Target, Whole, whole
from ops.chaos.soak import report as soak_report

HEAD = (
    "scenario",
    "what",
    "faults",
    "302s",
    "share",
    "lost",
    "doubled",
    "302 again",
    "counted again",
)


def told(results: Sequence[Result], failed: Mapping[str, str], skipped: Mapping[str, str]) -> str:
    """Return the report in Markdown."""
    parts = [
        summary(whole(results)),
        table(results),
        targets(results),
        kinds(whole(results)),
    ]
    parts += [soak_report.told(each.name, each.soak) for each in results if each.soak is not None]
    if missed := missed_targets(results):
        parts.append(missed)
    parts += [wrong(result) for result in results if not result.sound]
    parts += [f"FAILED {name}: {reason}" for name, reason in failed.items()]
    parts += [f"left out {name}: {reason}" for name, reason in skipped.items()]
    return "\n\n".join(parts)


def summary(all_of_it: Whole) -> str:
    """Return the sentence that counts, and the recovery times."""
    counted = (
        f"{all_of_it.faults:,} injected faults of {len(all_of_it.injected)} kinds, "
        f"{all_of_it.acknowledged:,} acknowledged clicks: {all_of_it.lost} lost, "
        f"{all_of_it.doubled} counted twice, {all_of_it.phantoms} phantoms, "
        f"{all_of_it.rollup_differences} rollup differences, "
        f"{all_of_it.broken} answers 5xx other than 503."
    )
    lines = [counted]
    if not all_of_it.lost and all_of_it.acknowledged:
        bound = all_of_it.upper_bound * 1e6
        lines.append(
            f"0 in {all_of_it.acknowledged:,} means less than {bound:.3g} in a million lost, "
            "at 95 % (rule of three); so for those counted twice."
        )
    for what, spread in (
        ("first 302 after a fault", all_of_it.found_again),
        ("first click counted after a fault", all_of_it.counted_again),
    ):
        if spread is not None:
            middle, worst = (seconds(each) for each in spread)
            lines.append(f"{what}: median {middle}, worst {worst}")
    return "\n".join(lines)


def table(results: Iterable[Result]) -> str:
    """Return a line for each scenario, in Markdown, aligned."""
    rows = [HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "| "
        + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def kinds(all_of_it: Whole) -> str:
    """Return how many faults of each kind there were."""
    width = max((len(f"{number:,}") for number in all_of_it.injected.values()), default=0)
    lines = [f"{number:>{width},}  {kind}" for kind, number in all_of_it.injected.items()]
    return "\n".join(["faults by kind", *lines])


def targets(results: Iterable[Result]) -> str:
    """Return for each target in how many scenarios it was judged and held, and the worst of them."""
    judged: dict[str, list[Target]] = {}
    for result in results:
        for target in result.targets:
            judged.setdefault(target.what, []).append(target)
    lines = ["targets: held in, worst"]
    for what, found in judged.items():
        worst = (min if found[0].least else max)(found, key=lambda target: target.measured)
        held = f"{sum(target.holds for target in found)} of {len(found)}"
        bounds = sorted({target.bound for target in found})
        told = f"{bounds[0]:g}" if len(bounds) == 1 else f"{bounds[0]:g} to {bounds[-1]:g}"
        sign = "≥" if found[0].least else "≤"
        lines.append(f"{held:>8}  {what}: {_measured(worst)} ({sign} {told})")
    return "\n".join(lines)


def missed_targets(results: Iterable[Result]) -> str:
    """Return the targets that were not reached; empty when all were."""
    lines = [
        f"{result.name}: {target.what} {_measured(target)}, "
        f"should be {'at least' if target.least else 'at most'} {target.bound:g}"
        for result in results
        for target in result.targets
        if not target.holds
    ]
    return "\n".join(["targets missed", *lines]) if lines else ""


def wrong(result: Result) -> str:
    """Return what broke in a scenario, and where the evidence lies."""
    lines = [f"WRONG in {result.name}, evidence in {result.evidence}"]
    lines += [str(finding) for finding in result.findings if finding]
    if result.seen.broken:
        lines.append(f"{result.seen.broken} answers 5xx other than 503")
    lines += [f"no {what} any more after the last fault" for what in result.hung]
    return "\n".join(lines)


def line(result: Result) -> str:
    """Return one line on a scenario that was just played."""
    missed = [target for target in result.targets if not target.holds]
    verdict = "sound" if result.sound else "WRONG"
    if missed:
        verdict += "; missed: " + ", ".join(f"{each.what} {_measured(each)}" for each in missed)
    return (
        f"{sum(result.injected.values()):,} faults, {result.acknowledged:,} 302s of "
        f"{result.requests:,} requests in {result.seconds:.0f} s: {verdict}"
    )


def as_json(
    machine: Mapping[str, object],
    options: Mapping[str, object],
    results: Sequence[Result],
    failed: Mapping[str, str],
    skipped: Mapping[str, str],
) -> str:
    """Return everything as one JSON object."""
    all_of_it = whole(results)
    document = {
        "machine": machine,
        "options": options,
        "whole": {**asdict(all_of_it), "faults": all_of_it.faults, "bound": all_of_it.upper_bound},
        "scenarios": [{**asdict(result), "sound": result.sound} for result in results],
        "failed": failed,
        "left_out": skipped,
    }
    return json.dumps(document, indent=2, default=str) + "\n"


def seconds(value: float) -> str:
    """Return a time as people read it."""
    return "never" if isinf(value) else f"{value:.2f} s"


def _measured(target: Target) -> str:
    return "never" if isinf(target.measured) else f"{target.measured:.4g}"


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.name,
        result.what,
        f"{sum(result.injected.values()):,}",
        f"{result.acknowledged:,}",
        f"{result.seen.found:.2%}",
        str(result.number("lost")),
        str(result.number("doubled")),
        seconds(max(result.found_again)) if result.found_again else "",
        seconds(max(result.counted_again)) if result.counted_again else "",
    )
