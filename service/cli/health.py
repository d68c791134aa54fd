"""health: what a container asks."""

from __future__ import annotations

from service.contract.health import health as ask


def health(live: bool = False) -> int:
    """Ask the service on HOST:PORT whether it is ready; with --live whether it is alive.

    Exit 0 when it is, 1 when not.
    """
    path = "/healthz" if live else "/readyz"
    return ask(host="HOST", port="PORT", default_port="8080", path=path)
