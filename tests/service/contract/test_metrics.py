"""Observations as metrics."""

from __future__ import annotations

from math import inf
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.contract.metrics import PipelineMetrics, RelayMetrics, ServiceMetrics
from service.contract.observations import (
    BacklogMeasured,
    BatchMoved,
    DatabaseUnavailable,
    LogLinesDropped,
    Observation,
    PartitionRefused,
    PipelineMeasured,
    Redirected,
    RedirectOutcome,
    RequestFailed,
    RequestServed,
    ServerMeasured,
)
from tests.service.contract.test_log import ALL, example


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of the test's own."""
    return CollectorRegistry()


def names(registry: CollectorRegistry) -> set[str]:
    """The metrics a registry has."""
    return {metric.name for metric in registry.collect()}


def test_the_services_names(registry: CollectorRegistry) -> None:
    """Dashboards rely on these names."""
    ServiceMetrics(registry)
    assert {
        "everyclick_redirects",
        "everyclick_redirect_seconds",
        "everyclick_requests",
        "everyclick_request_failures",
        "everyclick_service_database_unavailable",
        "everyclick_service_database_refused",
        "everyclick_connections_cut",
        "everyclick_log_lines_dropped",
    } == names(registry)


def test_the_relays_names(registry: CollectorRegistry) -> None:
    """Dashboards and alerts rely on these names."""
    RelayMetrics(registry)
    assert {
        "everyclick_relay_events",
        "everyclick_relay_batch_seconds",
        "everyclick_outbox_due",
        "everyclick_outbox_deferred",
        "everyclick_relay_database_unavailable",
        "everyclick_relay_job_failures",
        "everyclick_relay_partitions_refused",
        "everyclick_vacuum_held_back_transactions",
        "everyclick_notification_queue_usage",
        "everyclick_log_lines_dropped",
    } == names(registry)


def test_names_do_not_meet(registry: CollectorRegistry) -> None:
    """A name of both processes means the same in both: there is one, and no other."""
    ServiceMetrics(registry)
    relay = CollectorRegistry()
    RelayMetrics(relay)
    assert {"everyclick_log_lines_dropped"} == names(registry) & names(relay)


@pytest.mark.parametrize("kind", [ServiceMetrics, RelayMetrics])
def test_dropped_lines(
    registry: CollectorRegistry, kind: type[ServiceMetrics | RelayMetrics]
) -> None:
    """Lines that were not logged are counted by each process, 0 from the first scrape."""
    count = kind(registry)
    assert 0.0 == registry.get_sample_value("everyclick_log_lines_dropped_total")
    for lines in (2, 3):
        count(LogLinesDropped(lines))
    assert 5.0 == registry.get_sample_value("everyclick_log_lines_dropped_total")


@pytest.mark.parametrize("observation", [example(kind) for kind in ALL], ids=str)
def test_every_observation_is_taken(registry: CollectorRegistry, observation: Observation) -> None:
    """Neither process stumbles over an observation that it does not count."""
    ServiceMetrics(registry)(observation)
    RelayMetrics(CollectorRegistry())(observation)


@pytest.mark.parametrize("outcome", get_args(RedirectOutcome))
def test_redirects(registry: CollectorRegistry, outcome: RedirectOutcome) -> None:
    """A redirect counts by its outcome and its time, never by its code: codes are unbounded."""
    ServiceMetrics(registry)(Redirected("GET", "a-code", outcome, 0.004))
    value = registry.get_sample_value
    assert 1.0 == value("everyclick_redirects_total", {"outcome": outcome})
    assert 1.0 == value("everyclick_redirect_seconds_bucket", {"le": "0.005"})
    assert 0.0 == value("everyclick_redirect_seconds_bucket", {"le": "0.0025"})
    assert b"a-code" not in generate_latest(registry)


def test_requests(registry: CollectorRegistry) -> None:
    """Other requests count by method, route and status; failures and outages once each."""
    count = ServiceMetrics(registry)
    for _ in range(2):
        count(RequestServed("POST", "/api/v1/links", 201, 0.01))
    count(RequestFailed("GET", "/x", ValueError()))
    count(DatabaseUnavailable("redirect", "gone"))
    value = registry.get_sample_value
    labels = {"method": "POST", "route": "/api/v1/links", "status": "201"}
    assert 2.0 == value("everyclick_requests_total", labels)
    assert 1.0 == value("everyclick_request_failures_total")
    assert 1.0 == value("everyclick_service_database_unavailable_total")


def test_batches(registry: CollectorRegistry) -> None:
    """A batch counts its events by what became of them, and all of them once."""
    RelayMetrics(registry)(BatchMoved(15, 1, 2, 3, 4, 5, 0.02))
    value = registry.get_sample_value
    assert {"moved": 1.0, "duplicates": 2.0, "orphans": 3.0, "retried": 4.0, "buried": 5.0} == {
        outcome: value("everyclick_relay_events_total", {"outcome": outcome})
        for outcome in ("moved", "duplicates", "orphans", "retried", "buried")
    }
    assert 0.02 == value("everyclick_relay_batch_seconds_sum")


def test_strain(registry: CollectorRegistry) -> None:
    """What others do to the server is a level too."""
    count = RelayMetrics(registry)
    count(ServerMeasured(2_000_000, 0.9))
    count(ServerMeasured(12, 0.25))
    value = registry.get_sample_value
    assert (12.0, 0.25) == (
        value("everyclick_vacuum_held_back_transactions"),
        value("everyclick_notification_queue_usage"),
    )


def test_refused_months(registry: CollectorRegistry) -> None:
    """Each month that could not be made counts each time: whoever is paged sees it go on."""
    count = RelayMetrics(registry)
    for month in ("2026-11", "2026-12", "2026-11"):
        count(PartitionRefused(month, "permission denied"))
    assert 3.0 == registry.get_sample_value("everyclick_relay_partitions_refused_total")


def test_backlog(registry: CollectorRegistry) -> None:
    """The backlog is a level, not a count: the last measurement stands."""
    count = RelayMetrics(registry)
    count(BacklogMeasured(100, 50))
    count(BacklogMeasured(1, 2))
    value = registry.get_sample_value
    assert (1.0, 2.0) == (value("everyclick_outbox_due"), value("everyclick_outbox_deferred"))


def test_the_pipeline(registry: CollectorRegistry) -> None:
    """Its state is a level too; a relay that was never seen was seen an infinite time ago."""
    count = PipelineMetrics(registry)
    count(PipelineMeasured(4, 9.5, 3, 0, None, None, 2, 1, None, None, 0.25))
    value = registry.get_sample_value
    assert (4.0, 9.5, 3.0, 0.0, 2.0, 1.0, 0.25) == (
        value("everyclick_outbox_waiting"),
        value("everyclick_outbox_oldest_seconds"),
        value("everyclick_dead_letters"),
        value("everyclick_relays_alive"),
        value("everyclick_rollup_future_hours"),
        value("everyclick_replication_waits"),
        value("everyclick_database_clock_offset_seconds"),
    )
    assert inf == value("everyclick_relay_last_seen_seconds")
    assert value("everyclick_verify_differences") != value("everyclick_verify_differences")  # NaN


@pytest.mark.parametrize("kind", [ServiceMetrics, RelayMetrics, PipelineMetrics])
def test_every_metric_is_there_from_the_first_scrape(
    registry: CollectorRegistry, kind: type[ServiceMetrics | RelayMetrics | PipelineMetrics]
) -> None:
    """At 0, in every label set there can be: what only appears when it happens has no increase. The
    requests of the API have too many to list, and no alert.
    """
    kind(registry)
    for metric in registry.collect():
        if metric.name == "everyclick_requests":
            continue
        samples = [each for each in metric.samples if not each.name.endswith("_created")]
        assert samples, metric.name
        assert {0.0} == {each.value for each in samples}, metric.name
    labels = {each.labels.get("outcome") for m in registry.collect() for each in m.samples}
    if kind is RelayMetrics:
        assert {"moved", "duplicates", "orphans", "retried", "buried"} <= labels
