"""The way to Postgres is late, narrow, cut, silent, or cut after a commit."""

from __future__ import annotations

from functools import partial

from ops.chaos.faults.network import CommitCut, FailedOver, Poor, Refused, Reset, Silent, Stranded
from ops.chaos.faults.places import BouncerKilled
from ops.chaos.scenario import Holds, Scenario
from tests.support.link import Toxics

LATE = Toxics(latency=0.1, jitter=0.05)
SHREDDED = Toxics(slice=1)
NARROW = Toxics(slice=1460, bandwidth=50_000)

SCENARIOS = (
    Scenario(
        "F21",
        "the answer to the service's COMMIT is lost",
        [partial(CommitCut, side="service", share=0.1)],
        seconds=140,
        gap=(0.5, 1.0),
        hold=(5.0, 10.0),
        through=["service"],
        holds=Holds(found=1.0),
        smoke=10,
    ),
    Scenario(
        "F23",
        "the answer to the relay's COMMIT is lost",
        [partial(CommitCut, side="relay", share=0.4)],
        seconds=120,
        gap=(0.5, 1.0),
        hold=(5.0, 10.0),
        relays=4,
        through=["relay"],
        relay={"RELAY_BATCH_SIZE": "50"},
        holds=Holds(found_again=0.5, found=1.0),
        smoke=10,
    ),
    Scenario(
        "F24",
        "Postgres falls silent, nothing is closed",
        [partial(Silent, side="service"), partial(Silent, side="relay")],
        gap=(2.0, 4.0),
        hold=(1.0, 8.0),
        through=["service", "relay"],
    ),
    Scenario(
        "F25",
        "the service's connections are forgotten by the way, without a word",
        [partial(Stranded, side="service")],
        gap=(5.0, 10.0),
        through=["service"],
        holds=Holds(found_again=3.0),
    ),
    Scenario(
        "F25r",
        "the relay's connections are forgotten by the way, without a word",
        [partial(Stranded, side="relay")],
        gap=(20.0, 25.0),
        seconds=30,
        through=["relay"],
        holds=Holds(found_again=0.5, counted_again=10.0, found=1.0),
    ),
    Scenario(
        "F25h",
        "a failover between two hosts in DATABASE_URL, the one that was used silent",
        [FailedOver],
        gap=(8.0, 10.0),
        seconds=60,
        through=["service", "relay"],
        hosts=2,
        holds=Holds(found_again=3.5, counted_again=5.0),
    ),
    Scenario(
        "F26",
        "a way of 100 ms more or less",
        [
            partial(Poor, side="service", verb="late", toxics=LATE),
            partial(Poor, side="relay", verb="late", toxics=LATE),
        ],
        rate=200,
        gap=(1.0, 2.0),
        hold=(5.0, 10.0),
        through=["service", "relay"],
        holds=Holds(found=1.0),
    ),
    Scenario(
        "F27",
        "bytes one by one, or 50 kB a second",
        [
            partial(Poor, side="service", verb="shredded", toxics=SHREDDED),
            partial(Poor, side="relay", verb="shredded", toxics=SHREDDED),
            partial(Poor, side="service", verb="narrow", toxics=NARROW),
            partial(Poor, side="relay", verb="narrow", toxics=NARROW),
        ],
        rate=100,
        gap=(1.0, 2.0),
        hold=(3.0, 6.0),
        through=["service", "relay"],
        holds=Holds(found=0.99),
    ),
    Scenario(
        "F28",
        "connections reset, some at a time or all of them and new ones too",
        [
            partial(Reset, side="service", share=0.3),
            partial(Reset, side="relay", share=0.3),
            partial(Refused, side="service"),
            partial(Refused, side="relay"),
        ],
        gap=(0.2, 1.0),
        hold=(0.0, 1.0),
        through=["service", "relay"],
        holds=Holds(found=0.99),
    ),
    Scenario(
        "F46",
        "PgBouncer between, killed",
        [BouncerKilled],
        gap=(2.0, 5.0),
        hold=(0.2, 2.0),
        ground="pgbouncer",
    ),
)
