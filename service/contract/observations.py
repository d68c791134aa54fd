"""Everything the two processes report, as one closed list.

Code makes an observation and hands it to the Observer it was given; `logs` decides the wording
and the level, `metrics` decides what is counted. Nothing else in the project logs or counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

RedirectOutcome = Literal["found", "unknown", "gone", "unavailable"]
CutReason = Literal["slow", "unread", "full"]


@dataclass(frozen=True, slots=True)
class Listening:
    """A process is at work. `url` is where it serves, None for a relay; `metrics` where its metrics are,
    None for a worker, whose supervisor has them; `database` is its address, HOST:PORT/NAME.
    """

    url: str | None
    metrics: str | None
    database: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A process has ended its work and let go of everything."""

    process: Literal["service", "relay"]
    clean: bool


@dataclass(slots=True)  # not frozen: that would double the time it takes to make one
class Redirected:
    """One `GET` or `HEAD` of a code was answered; the canonical line of the hot path."""

    method: str
    code: str
    outcome: RedirectOutcome
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestServed:
    """One request other than a redirect was answered; its canonical line."""

    method: str
    route: str
    status: int
    seconds: float
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request met an error nobody expected and was answered 500; `error` carries the trace."""

    method: str
    route: str
    error: BaseException
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionsCut:
    """Clients' connections were ended: `slow` sent no whole request in time, `unread` did not take
    their answers, `full` came when there were too many.
    """

    reason: CutReason
    number: int


@dataclass(frozen=True, slots=True)
class DatabaseUnavailable:
    """The database did not answer in time, or refused; `doing` is what waits for it."""

    doing: str
    error: str


@dataclass(frozen=True, slots=True)
class DatabaseRefused:
    """The database refused for a reason that waiting does not fix: a missing privilege, table, column
    or function. `doing` is what failed.
    """

    doing: str
    error: str


@dataclass(frozen=True, slots=True)
class DatabaseReady:
    """The database is reachable, at the right schema, and durable; `database` is its address."""

    database: str


@dataclass(frozen=True, slots=True)
class DataLossAccepted:
    """ACCEPT_DATA_LOSS is set and the server may in fact lose acknowledged commits."""

    message: str


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """A child process ended although nobody asked it to; it is started again after `delay`."""

    name: str
    status: int
    delay: float


@dataclass(frozen=True, slots=True)
class WorkerReplaced:
    """A rolling restart put a new process in a child's place; the old one has ended.

    `seconds` from the start of the new one to the end of the old one.
    """

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ReplacementFailed:
    """A rolling restart was given up: the new process ended with `status` before it served.

    The one it was to replace goes on.
    """

    name: str
    status: int


@dataclass(frozen=True, slots=True)
class FaultDrill:
    """RELAY_FAULT_RATE is set: event handlings fail on purpose."""

    rate: float


@dataclass(frozen=True, slots=True)
class BatchMoved:
    """One batch was committed; its canonical line.

    claimed = moved + duplicates + orphans + retried + buried. Duplicates were counted before,
    orphans belong to a deleted link, retried wait in the outbox, buried are dead letters now.
    """

    claimed: int
    moved: int
    duplicates: int
    orphans: int
    retried: int
    buried: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EventFailed:
    """One event's own error cost it an attempt; it is due again after `delay` seconds."""

    message_id: str
    attempts: int
    error: str
    delay: float


@dataclass(frozen=True, slots=True)
class EventBuried:
    """One event failed for the last time and is a dead letter now."""

    message_id: str
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class EventSetAside:
    """One event met a passing error that did not pass; it is due again after `delay` seconds, at no
    attempt, and holds up nobody meanwhile.
    """

    message_id: str
    error: str
    delay: float


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job of the relay failed by an error that waiting does not fix; it is tried again.

    `times` is how often it happened since the last report.
    """

    job: str
    error: BaseException
    times: int = 1


@dataclass(frozen=True, slots=True)
class BacklogMeasured:
    """What waits: events that are due, and events that wait for their next try."""

    due: int
    deferred: int


@dataclass(frozen=True, slots=True)
class PipelineMeasured:
    """How the pipeline stands, from counts that end at a limit. Times are ages in seconds.

    `oldest`: of the oldest event in the outbox, 0 without one. `relay_seen`, `relay_progress`: of the
    last sign of life and of progress of any relay, None when there was none. `verify_age`,
    `verify_differences`: of the last `verify`, None when there was none. `clock_offset`: seconds that the
    database's clock is ahead of ours.
    """

    waiting: int
    oldest: float
    dead_letters: int
    relays: int
    relay_seen: float | None
    relay_progress: float | None
    future_hours: int
    replication_waits: int
    verify_age: float | None
    verify_differences: int | None
    clock_offset: float


@dataclass(frozen=True, slots=True)
class ServerMeasured:
    """What others do to the server: `held_back` is by how many transactions somebody's old view keeps
    dead rows, `notifications` how full the queue of notifications is, from 0 to 1.
    """

    held_back: int
    notifications: float


@dataclass(frozen=True, slots=True)
class PartitionsMade:
    """Monthly partitions of `clicks` were made ahead of time."""

    made: int


@dataclass(frozen=True, slots=True)
class PartitionRefused:
    """A month of `clicks` could not be made and is tried again in an hour; `month` as in 2026-11.

    Its clicks stand in the default partition meanwhile.
    """

    month: str
    error: str


@dataclass(frozen=True, slots=True)
class LogPruned:
    """Old rows of PgQueuer's log and statistics were deleted."""

    rows: int


@dataclass(frozen=True, slots=True)
class LinkPurged:
    """Clicks, events and dead letters of a deleted link were removed; `clicks` so many."""

    link_id: int
    clicks: int


@dataclass(frozen=True, slots=True)
class LogLinesDropped:
    """So many lines of the log were not written: its reader did not keep up, or its disk is full."""

    lines: int


Observation = (
    Listening
    | Stopped
    | Redirected
    | RequestServed
    | RequestFailed
    | ConnectionsCut
    | DatabaseUnavailable
    | DatabaseRefused
    | DatabaseReady
    | DataLossAccepted
    | WorkerExited
    | WorkerReplaced
    | ReplacementFailed
    | FaultDrill
    | BatchMoved
    | EventFailed
    | EventBuried
    | EventSetAside
    | JobFailed
    | BacklogMeasured
    | PipelineMeasured
    | ServerMeasured
    | PartitionsMade
    | PartitionRefused
    | LogPruned
    | LinkPurged
    | LogLinesDropped
)

Observer = Callable[[Observation], None]
