"""How observations are counted: Prometheus metrics, one registry per process."""

from __future__ import annotations

from math import inf, nan
from time import time
from typing import assert_never, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.contract.observations import (
    BacklogMeasured,
    BatchMoved,
    ConnectionsCut,
    CutReason,
    DatabaseReady,
    DatabaseRefused,
    DatabaseUnavailable,
    DataLossAccepted,
    EventBuried,
    EventFailed,
    EventSetAside,
    FaultDrill,
    JobFailed,
    LinkPurged,
    Listening,
    LogLinesDropped,
    LogPruned,
    Observation,
    PartitionRefused,
    PartitionsMade,
    PipelineMeasured,
    Redirected,
    RedirectOutcome,
    ReplacementFailed,
    RequestFailed,
    RequestServed,
    ServerMeasured,
    Stopped,
    WorkerExited,
    WorkerReplaced,
)

RELAY_OUTCOMES = ("moved", "duplicates", "orphans", "retried", "buried")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


def _log_lines_dropped(registry: CollectorRegistry) -> Counter:
    return Counter(
        "everyclick_log_lines_dropped",
        "Lines of the log that were not written",
        registry=registry,
    )


class ServiceMetrics:
    """What the service counts. Call it with an observation."""

    def __init__(self, registry: CollectorRegistry) -> None:
        redirects = Counter(
            "everyclick_redirects", "Redirects answered", ["outcome"], registry=registry
        )
        # Each looked up once: a redirect is counted in a microsecond or two.
        self._redirects = {
            outcome: redirects.labels(outcome) for outcome in get_args(RedirectOutcome)
        }
        self._redirect_seconds = Histogram(
            "everyclick_redirect_seconds",
            "Time to answer a redirect, the commit included",
            registry=registry,
            buckets=_SECONDS,
        )
        self._requests = Counter(
            "everyclick_requests",
            "Requests answered, other than redirects",
            ["method", "route", "status"],
            registry=registry,
        )
        self._failures = Counter(
            "everyclick_request_failures", "Requests answered 500", registry=registry
        )
        self._cut = Counter(
            "everyclick_connections_cut",
            "Clients' connections ended by the service, by reason",
            ["reason"],
            registry=registry,
        )
        for reason in get_args(CutReason):
            self._cut.labels(reason)
        self._unavailable = Counter(
            "everyclick_service_database_unavailable",
            "Times the service found the database unavailable",
            registry=registry,
        )
        self._refused = Counter(
            "everyclick_service_database_refused",
            "Times the database refused the service for a reason that waiting does not fix",
            registry=registry,
        )
        self._dropped = _log_lines_dropped(registry)

    def __call__(self, observation: Observation) -> None:
        match observation:
            case Redirected(outcome=outcome, seconds=seconds):
                self._redirects[outcome].inc()
                self._redirect_seconds.observe(seconds)
            case RequestServed(method=method, route=route, status=status):
                self._requests.labels(method, route, str(status)).inc()
            case RequestFailed():
                self._failures.inc()
            case DatabaseUnavailable():
                self._unavailable.inc()
            case DatabaseRefused():
                self._refused.inc()
            case ConnectionsCut(reason=reason, number=number):
                self._cut.labels(reason).inc(number)
            case LogLinesDropped(lines=lines):
                self._dropped.inc(lines)
            case _:
                pass


class PipelineMetrics:
    """How the pipeline stands, on the relay's port and on the service's. Call it with an observation."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"everyclick_{name}", meaning, registry=registry)

        self._waiting = gauge("outbox_waiting", "Events in the outbox, 100,000 at most")
        self._oldest = gauge("outbox_oldest_seconds", "Age of the oldest event in the outbox")
        self._dead = gauge("dead_letters", "Dead letters standing, 100,000 at most")
        self._relays = gauge("relays_alive", "Relays that reported within 15 seconds")
        self._seen = gauge("relay_last_seen_seconds", "Seconds since any relay reported")
        self._progress = gauge(
            "relay_last_progress_seconds",
            "Seconds since a relay moved a batch or found nothing due",
        )
        self._future = gauge("rollup_future_hours", "Hours of rollups that are yet to come")
        self._offset = gauge(
            "database_clock_offset_seconds", "Seconds that the database's clock is ahead of ours"
        )
        self._waits = gauge("replication_waits", "Commits of ours that wait for a standby")
        self._verify_age = gauge("verify_age_seconds", "Seconds since rollups were last verified")
        self._differences = gauge("verify_differences", "Differences that the last verify found")
        self._measured = gauge(
            "pipeline_measured_timestamp_seconds", "When these gauges were last measured"
        )

    def __call__(self, observation: Observation) -> None:
        if not isinstance(observation, PipelineMeasured):
            return
        self._waiting.set(observation.waiting)
        self._oldest.set(observation.oldest)
        self._dead.set(observation.dead_letters)
        self._relays.set(observation.relays)
        self._seen.set(_or(observation.relay_seen, inf))
        self._progress.set(_or(observation.relay_progress, inf))
        self._future.set(observation.future_hours)
        self._offset.set(observation.clock_offset)
        self._waits.set(observation.replication_waits)
        self._verify_age.set(_or(observation.verify_age, nan))
        self._differences.set(_or(observation.verify_differences, nan))
        self._measured.set(time())


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


class RelayMetrics:
    """What the relay counts. Call it with an observation."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "everyclick_relay_events",
            "Events handled, by what became of them",
            ["outcome"],
            registry=registry,
        )
        for outcome in RELAY_OUTCOMES:
            self._events.labels(outcome)
        self._batch_seconds = Histogram(
            "everyclick_relay_batch_seconds",
            "Time from claim to commit of a batch",
            registry=registry,
            buckets=_SECONDS,
        )
        self._due = Gauge("everyclick_outbox_due", "Events waiting to be moved", registry=registry)
        self._deferred = Gauge(
            "everyclick_outbox_deferred", "Events waiting for their next try", registry=registry
        )
        self._held_back = Gauge(
            "everyclick_vacuum_held_back_transactions",
            "Transactions since the oldest view that somebody holds",
            registry=registry,
        )
        self._notifications = Gauge(
            "everyclick_notification_queue_usage",
            "How full the queue of notifications is, from 0 to 1",
            registry=registry,
        )
        self._failures = Counter(
            "everyclick_relay_job_failures",
            "Jobs that failed by an error that waiting does not fix",
            registry=registry,
        )
        self._refused = Counter(
            "everyclick_relay_partitions_refused",
            "Times that a month of clicks could not be made",
            registry=registry,
        )
        self._unavailable = Counter(
            "everyclick_relay_database_unavailable",
            "Times the relay lost the database",
            registry=registry,
        )
        self._dropped = _log_lines_dropped(registry)

    def __call__(self, observation: Observation) -> None:
        match observation:
            case BatchMoved():
                for outcome in RELAY_OUTCOMES:
                    self._events.labels(outcome).inc(getattr(observation, outcome))
                self._batch_seconds.observe(observation.seconds)
            case BacklogMeasured():
                self._due.set(observation.due)
                self._deferred.set(observation.deferred)
            case ServerMeasured():
                self._held_back.set(observation.held_back)
                self._notifications.set(observation.notifications)
            case JobFailed(times=times):
                self._failures.inc(times)
            case PartitionRefused():
                self._refused.inc()
            case DatabaseUnavailable() | DatabaseRefused():
                self._unavailable.inc()
            case LogLinesDropped(lines=lines):
                self._dropped.inc(lines)
            case (
                Listening()
                | Stopped()
                | Redirected()
                | RequestServed()
                | RequestFailed()
                | ConnectionsCut()
                | DatabaseReady()
                | DataLossAccepted()
                | WorkerExited()
                | WorkerReplaced()
                | ReplacementFailed()
                | FaultDrill()
                | EventFailed()
                | EventBuried()
                | EventSetAside()
                | PartitionsMade()
                | LogPruned()
                | LinkPurged()
                | PipelineMeasured()
            ):
                pass
            case _:
                assert_never(observation)
