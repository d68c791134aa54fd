"""Postgres ends sessions, dies, or is up and of no use."""

from __future__ import annotations

from functools import partial

from ops.chaos.faults.analytics import Analytics
from ops.chaos.faults.events import Flood
from ops.chaos.faults.pinned import Prepared, Slot
from ops.chaos.faults.places import DiskFull, Failover, StandbySilent
from ops.chaos.faults.queue import QueueFull
from ops.chaos.faults.server import (
    CommitsNotDurable,
    DatabaseClock,
    Impatient,
    Locked,
    Migration,
    OutboxLocked,
    ReadOnly,
    Snapshot,
    Storm,
)
from ops.chaos.faults.sessions import (
    BackendKilled,
    Cancelled,
    PostgresDown,
    SequencesFar,
    Terminated,
)
from ops.chaos.faults.signals import Killed
from ops.chaos.faults.together import Together
from ops.chaos.scenario import Holds, Scenario

SCENARIOS = (
    Scenario(
        "F14",
        "ten sessions of the service terminated each second",
        [partial(Terminated, side="service", rate=10)],
        seconds=60,
        hold=(5.0, 10.0),
        holds=Holds(found=0.999),
        smoke=10,
    ),
    Scenario(
        "F14s",
        "a session of the service terminated each second",
        [partial(Terminated, side="service", rate=1)],
        hold=(10.0, 20.0),
        holds=Holds(found=0.999),
    ),
    Scenario(
        "F15",
        "sessions of the relay terminated, its listener's too",
        [
            partial(Terminated, side="relay", rate=10),
            partial(Terminated, side="relay", rate=1),
        ],
        hold=(5.0, 10.0),
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F16",
        "Postgres crashes and stays down for a while",
        [partial(PostgresDown, manner="immediate")],
        seconds=60,
        gap=(3.0, 5.0),
        hold=(1.0, 10.0),
        smoke=15,
    ),
    Scenario(
        "F17",
        "one backend killed: Postgres restarts by itself",
        [partial(BackendKilled, side="service"), partial(BackendKilled, side="relay")],
        gap=(2.0, 5.0),
    ),
    Scenario(
        "F18",
        "the whole server killed",
        [partial(PostgresDown, manner="killed")],
        gap=(2.0, 5.0),
        hold=(0.0, 3.0),
    ),
    Scenario(
        "F19",
        "orderly restarts: every connection is dead once",
        [partial(PostgresDown, manner="fast")],
        gap=(2.0, 4.0),
    ),
    Scenario(
        "F20",
        "service and relay start while Postgres is down",
        [
            partial(
                Together,
                parts=[
                    partial(PostgresDown, manner="immediate"),
                    partial(Killed, side="service"),
                    partial(Killed, side="relay"),
                ],
            )
        ],
        gap=(2.0, 4.0),
        hold=(3.0, 6.0),
        holds=Holds(found_again=3.0),
    ),
    Scenario(
        "F29",
        "every connection is taken by others",
        [Storm],
        gap=(2.0, 4.0),
        hold=(3.0, 8.0),
    ),
    Scenario(
        "F30",
        "the table of links, or the outbox, is locked",
        [Locked, OutboxLocked],
        gap=(3.0, 5.0),
        hold=(1.0, 10.0),
        holds=Holds(found_again=1.0),
    ),
    Scenario(
        "F31",
        "ALTER TABLE waits behind a reader, then changes what is prepared",
        [Migration],
        gap=(2.0, 4.0),
        hold=(0.5, 4.0),
        holds=Holds(found_again=1.0),
    ),
    Scenario(
        "F33",
        "an old snapshot is held",
        [Snapshot],
        hold=(30.0, 40.0),
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F35",
        "long reads of clicks overlap: there is always an old view",
        [partial(Analytics, readers=3, span=15.0)],
        rate=800,
        seconds=1,
        hold=(60.0, 60.0),
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F36",
        "a slot or a prepared transaction, left behind, holds vacuum back",
        [Prepared, Slot],
        hold=(5.0, 8.0),
        ground="own",
        server={"wal_level": "logical", "max_prepared_transactions": "4"},
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F40",
        "a statement_timeout on the relay that large batches do not meet",
        [
            partial(
                Together,
                parts=[partial(Impatient, milliseconds=30), partial(Flood, number=5000)],
            )
        ],
        gap=(1.0, 3.0),
        hold=(5.0, 10.0),
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F41",
        "statements of both cancelled",
        [partial(Cancelled, side="service"), partial(Cancelled, side="relay")],
        gap=(0.05, 0.3),
        holds=Holds(found=0.999),
    ),
    Scenario(
        "F42",
        "the disk is full",
        [DiskFull],
        gap=(4.0, 6.0),
        hold=(2.0, 6.0),
        ground="small disk",
        holds=Holds(found_again=5.0, counted_again=10.0),
    ),
    Scenario(
        "F43",
        "the disk of the tables is full, that of the log of Postgres is not",
        [DiskFull],
        gap=(4.0, 6.0),
        hold=(2.0, 6.0),
        ground="small tablespace",
        holds=Holds(found_again=5.0, counted_again=10.0),
    ),
    Scenario(
        "F44",
        "the primary dies and its synchronous standby takes over",
        [Failover],
        seconds=1,
        gap=(10.0, 15.0),
        hold=(1.0, 2.0),
        through=["service", "relay"],
        ground="standby",
        holds=Holds(found_again=10.0, counted_again=10.0),
    ),
    Scenario(
        "F44s",
        "the synchronous standby falls silent, waits for it are ended, then it takes over",
        [StandbySilent],
        seconds=1,
        gap=(4.0, 5.0),
        hold=(4.0, 6.0),
        through=["service", "relay"],
        ground="standby",
        holds=Holds(found_again=10.0, counted_again=10.0),
    ),
    Scenario(
        "F44d",
        "synchronous_commit is turned off by a reload, then the server is killed",
        [CommitsNotDurable],
        seconds=12,
        gap=(1.0, 2.0),
        hold=(1.0, 3.0),
    ),
    Scenario(
        "F44t",
        "the database's clock is 40 days ahead, then right again",
        [partial(DatabaseClock, days=40)],
        seconds=20,
        gap=(2.0, 4.0),
        hold=(2.0, 4.0),
        holds=Holds(found_again=0.5, counted_again=5.0, found=0.999),
    ),
    Scenario(
        "F45",
        "the primary takes no writes",
        [ReadOnly],
        gap=(2.0, 4.0),
        hold=(2.0, 6.0),
    ),
    Scenario(
        "F47",
        "nobody can notify: a listener does not read, the queue is full",
        [QueueFull],
        gap=(2.0, 4.0),
        hold=(5.0, 8.0),
        ground="own",
        server={"max_notify_queue_pages": "64"},
        holds=Holds(found_again=0.5, found=1.0),
    ),
    Scenario(
        "F49",
        "every sequence passes what fits into 31 bits, and more",
        [SequencesFar],
        gap=(2.0, 4.0),
        relays=2,
        holds=Holds(found_again=0.5, found=1.0),
    ),
)
