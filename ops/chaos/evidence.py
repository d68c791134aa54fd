"""What a failure leaves behind: what the client saw, every table, every log."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from tests.oracle.availability import Injury
from tests.oracle.checks import Finding
from tests.oracle.exchange import Exchange

TABLES = (
    "links",
    "outbox",
    "clicks",
    "clicks_hourly",
    "dead_letters",
    "deleted_links",
    "pgqueuer",
    "pgqueuer_log",
)


def leave(
    directory: Path,
    connection: psycopg.Connection,
    exchanges: Iterable[Exchange],
    injuries: Sequence[Injury],
    findings: Iterable[Finding],
) -> None:
    """Write all of it into the directory, where the processes' logs are already."""
    with (directory / "client.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("number", "kind", "meant", "started", "ended", "status", "retry_after"))
        for each in exchanges:
            times = (f"{at:.4f}" for at in (each.meant, each.started, each.ended))
            writer.writerow((each.number, each.kind, *times, each.status, each.retry_after))
    lines = [f"{each.began:.4f}\t{each.over:.4f}\t{each.fault}" for each in injuries]
    (directory / "faults.tsv").write_text("\n".join(["began\tover\tfault", *lines]) + "\n")
    (directory / "findings.txt").write_text("\n".join(map(str, findings)) + "\n")
    for table in TABLES:
        statement = sql.SQL("COPY (TABLE {}) TO STDOUT WITH (FORMAT csv, HEADER)").format(
            sql.Identifier(table)
        )
        with (
            (directory / f"{table}.csv").open("wb") as file,
            connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            for data in copy:
                file.write(data)
