"""What the relay is told."""

from __future__ import annotations

from pydantic import Field

from service.contract.settings import Settings


class RelaySettings(Settings):
    """Settings of `python -m relay`; each field is an environment variable of the same name."""

    relay_batch_size: int = Field(
        5000, ge=1, le=10_000, description="events per transaction, at most"
    )
    relay_max_attempts: int = Field(
        5, ge=1, le=1000, description="handlings of an event before it becomes a dead letter"
    )
    relay_backoff_seconds: float = Field(
        1.0, ge=0, le=3600, description="seconds to the second handling, doubling from there"
    )
    relay_fault_rate: float = Field(
        0.0, ge=0, le=1, description="share of handlings that fail on purpose; for drills only"
    )
    relay_metrics_port: int = Field(
        9465, ge=0, le=65535, description="port of the relay's /metrics"
    )
