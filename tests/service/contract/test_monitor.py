"""The monitoring port."""

from __future__ import annotations

import socket
from typing import Literal

import pytest
from aiohttp import ClientConnectorError, ClientSession
from prometheus_client import CollectorRegistry, Counter

from service.contract.monitor import Health, monitor
from service.contract.settings import ConfigurationError


async def test_metrics_and_health() -> None:
    """Inside, /metrics has the registry and /healthz says ok; anything else is not found."""
    registry = CollectorRegistry()
    Counter("everyclick_test", "A test's", registry=registry).inc()
    async with monitor("127.0.0.1", 0, registry) as url, ClientSession() as session:
        assert url.endswith("/metrics")
        async with session.get(url) as answer:
            assert 200 == answer.status
            assert "text/plain" == answer.content_type
            assert "everyclick_test_total 1.0" in await answer.text()
        async with session.get(url.replace("/metrics", "/healthz")) as answer:
            assert {"status": "ok"} == await answer.json()
        async with session.get(url.replace("/metrics", "/")) as answer:
            assert 404 == answer.status


@pytest.mark.parametrize(
    "status, healthz, readyz", [("ok", 200, 200), ("waiting", 200, 503), ("stalled", 503, 503)]
)
async def test_how_the_process_is(
    status: Literal["ok", "waiting", "stalled"], healthz: int, readyz: int
) -> None:
    """Asked anew each time. Alive while a restart would not help, ready while it does its work."""
    health = Health("ok")
    async with (
        monitor("127.0.0.1", 0, CollectorRegistry(), lambda: health) as url,
        ClientSession() as session,
    ):
        health = Health(status, "why")
        for path, expected in (("/healthz", healthz), ("/readyz", readyz)):
            async with session.get(url.replace("/metrics", path)) as answer:
                assert expected == answer.status
                assert {"status": status, "detail": "why"} == await answer.json()


async def test_the_port_is_let_go() -> None:
    """Outside, nobody listens any more."""
    async with monitor("127.0.0.1", 0, CollectorRegistry()) as url:
        pass
    async with ClientSession() as session:
        with pytest.raises(ClientConnectorError):
            await session.get(url)


async def test_a_taken_port() -> None:
    """A port that cannot be had is named with its setting, and nothing is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = monitor("127.0.0.1", port, CollectorRegistry(), setting="RELAY_METRICS_PORT")
        with pytest.raises(
            ConfigurationError, match=f"^RELAY_METRICS_PORT={port}: the port is in use"
        ):
            await served.__aenter__()
