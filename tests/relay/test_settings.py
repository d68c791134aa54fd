"""What the relay is told."""

from __future__ import annotations

import pytest

from relay.settings import RelaySettings
from service.contract.settings import ConfigurationError


def test_defaults_are_the_promised_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five attempts, one second, no drill, port 9465."""
    settings = RelaySettings()
    assert (5, 1.0, 0.0, 9465) == (
        settings.relay_max_attempts,
        settings.relay_backoff_seconds,
        settings.relay_fault_rate,
        settings.relay_metrics_port,
    )


def test_decimals_are_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """RELAY_BACKOFF_SECONDS takes decimals."""
    monkeypatch.setenv("RELAY_BACKOFF_SECONDS", "0.05")
    assert 0.05 == RelaySettings.load().relay_backoff_seconds


@pytest.mark.parametrize(
    "name, value",
    [
        ("RELAY_BATCH_SIZE", "0"),
        ("RELAY_MAX_ATTEMPTS", "0"),
        ("RELAY_BACKOFF_SECONDS", "-1"),
        ("RELAY_FAULT_RATE", "1.1"),
        ("RELAY_FAULT_RATE", "nan"),
        ("RELAY_METRICS_PORT", "70000"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value outside its range is a fault that names the variable and the value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name}={value}: "):
        RelaySettings.load()
