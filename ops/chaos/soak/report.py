"""How a soak is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ops.chaos.soak.look import Process, Table
from ops.chaos.soak.trend import AFTERMATH, HOUR, LIVED, Soak


def told(name: str, soak: Soak) -> str:
    """Return what grew and what did not, and each beat."""
    return "\n\n".join(
        (_head(name, soak), _memory(soak), _tables(soak), _times(soak), _beats(soak))
    )


def _head(name: str, soak: Soak) -> str:
    faults = sum(len(beat.faults) for beat in soak.beats)
    seconds = soak.looks[-1].at - soak.first.at
    return (
        f"{name}: what grew in {seconds:,.0f} s, by {len(soak.looks)} looks, {soak.beat:g} s apart; "
        f"{faults} faults"
    )


def _memory(soak: Soak) -> str:
    lines = ["memory (RSS, KiB) and open descriptors"]
    for each in soak.growths:
        slope = "" if each.slope is None else f"; at the same age {each.slope:+,.0f} an hour"
        lines.append(
            f"{each.side:<8} {each.lives} lives, mean {each.mean:,.0f}, at most {each.most:,}{slope}; "
            "descriptors first {}, last {}, at most {}".format(*each.descriptors)
        )
    lines += [
        f"  {each.side:<8} from {each.began / 60:4.1f} min, {each.seconds / 60:4.1f} min, "
        f"{each.looks:2} looks: {each.first:,} to {each.last:,}, {each.slope:+,.0f} an hour"
        for each in soak.lifetimes
    ]
    lines.append(
        f"(slopes by least squares; those that lived through {LIVED} looks, the first left out)"
    )
    return "\n".join(lines)


def _tables(soak: Soak) -> str:
    rows: list[tuple[str, ...]] = [
        ("table", "dead rows at most", "last", "KiB first", "last", "indexes first", "last")
    ]
    seen: dict[str, list[Table]] = {}
    for look in soak.looks:
        for table in look.tables:
            seen.setdefault(table.name, []).append(table)
    for name, looks in seen.items():
        first, last = looks[0], looks[-1]
        sizes = (first.size, last.size, first.indexes, last.indexes)
        rows.append(
            (
                name,
                f"{max(each.dead for each in looks):,}",
                f"{last.dead:,}",
                *(f"{size // 1024:,}" for size in sizes),
            )
        )
    return _aligned(rows)


def _times(soak: Soak) -> str:
    first, last = (f"{seconds * 1000:.1f} ms" for seconds in soak.p99)
    backlog = max((look.backlog or 0 for look in soak.looks), default=0)
    return (
        f"p99 without the faults and {AFTERMATH:g} s after each: first beats {first}, last {last} "
        f"({soak.drift - 1:+.0%}); backlog at most {backlog:,}, last {soak.looks[-1].backlog}"
    )


def _beats(soak: Soak) -> str:
    rows: list[tuple[str, ...]] = [
        ("min", "p50 ms", "p99 ms", "backlog", "service", "relay", "descriptors", "fault")
    ]
    for beat in soak.beats:
        processes = beat.look.processes
        rows.append(
            (
                f"{beat.at / HOUR * 60:.1f}",
                f"{beat.p50 * 1000:.1f}",
                f"{beat.p99 * 1000:.1f}",
                "" if beat.look.backlog is None else f"{beat.look.backlog:,}",
                *(_rss(processes, side) for side in ("service", "relay")),
                " ".join(str(each.descriptors) for each in processes),
                ", ".join(beat.faults),
            )
        )
    return _aligned(rows)


def _rss(processes: Sequence[Process], side: str) -> str:
    return f"{sum(each.rss for each in processes if each.side == side):,}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align: the first column and the last to the left where they hold words, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row[:-1], widths, strict=False))
        )
        + f"  {row[-1]}"
        for row in rows
    )
