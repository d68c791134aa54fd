"""What the benchmark says a click costs: counted on the way to the server, then shared out."""

from __future__ import annotations

import psycopg
import pytest

from ops.bench.asked import Asked, Requests
from ops.bench.figures.cost import Cost
from ops.bench.stage import Counters
from ops.bench.tap import tapped
from service.contract.postgres import Database

START = b"\x00\x00\x00\x09\x00\x03\x00\x00\x00"
EXTENDED = b"".join(letter + b"\x00\x00\x00\x06\x00\x00" for letter in (b"B", b"D", b"E")) + (
    b"S\x00\x00\x00\x04"
)
PREPARED = b"P\x00\x00\x00\x08SQSQ" + b"S\x00\x00\x00\x04"
SIMPLE = b"Q\x00\x00\x00\x0aBEGIN\x00"
ENDED = b"X\x00\x00\x00\x04"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "sent,expected",
    [
        (b"", Asked(0, 0)),
        (EXTENDED, Asked(1, 1)),
        (PREPARED + EXTENDED, Asked(1, 2)),
        (SIMPLE + EXTENDED + SIMPLE, Asked(3, 3)),
        (EXTENDED[:-5] + EXTENDED, Asked(2, 1)),
        (EXTENDED * 50 + ENDED, Asked(50, 50)),
    ],
    ids=["nothing", "executed", "prepared", "block", "pipeline", "many"],
)
def test_messages_are_counted_however_they_come(size: int, sent: bytes, expected: Asked) -> None:
    """Whole, in pieces, several at once: by their letters and lengths, not by what is in them."""
    asked = Asked()
    requests = Requests(asked)
    whole = START + sent
    for begin in range(0, len(whole), size):
        requests.heard(whole[begin : begin + size])
    assert expected == asked


def test_a_tap_counts_what_goes_through(database: Database) -> None:
    """Statements of all connections, in blocks and alone; what is answered comes back unharmed."""
    if not str(psycopg.conninfo.conninfo_to_dict(database.conninfo)["host"]).startswith("/"):
        pytest.skip("the tap is for the benchmark's own server, on a Unix socket")
    with tapped(database.conninfo) as tap:
        for _ in range(2):
            with psycopg.connect(tap.url, autocommit=True) as connection:
                told = connection.execute("SELECT %s::text || 'b'", ["a" * 100_000]).fetchone()
                assert ("a" * 100_000 + "b",) == told
                with connection.transaction():
                    connection.execute("SELECT 1")
        assert Asked(statements=8, round_trips=8) == tap.asked


def test_a_cost_is_a_share() -> None:
    """What was counted meanwhile, divided by the clicks."""
    cost = Cost.between(Counters(10, 0, 1000.0), Counters(14, 0, 3000.0), Asked(6, 5), 4)
    assert Cost(statements=1.5, round_trips=1.25, commits=1.0, wal=500.0) == cost
