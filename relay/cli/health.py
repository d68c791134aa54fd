"""health: what a container asks."""

from __future__ import annotations

from service.contract.health import health as ask


def health(live: bool = False) -> int:
    """Ask the relay on METRICS_HOST:RELAY_METRICS_PORT whether it works; with --live whether it is alive.

    Exit 0 when it does, 69 when it waits for the database (alive all the same), 1 when it is
    stalled or does not answer.
    """
    path = "/healthz" if live else "/readyz"
    return ask(host="METRICS_HOST", port="RELAY_METRICS_PORT", default_port="9465", path=path)
