"""The monitoring port."""

from __future__ import annotations

import socket

import pytest
from aiohttp import ClientConnectorError, ClientSession
from prometheus_client import CollectorRegistry, Counter

from service.contract.monitor import monitor


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


async def test_the_port_is_let_go() -> None:
    """Outside, nobody listens any more."""
    async with monitor("127.0.0.1", 0, CollectorRegistry()) as url:
        pass
    async with ClientSession() as session:
        with pytest.raises(ClientConnectorError):
            await session.get(url)


async def test_a_taken_port() -> None:
    """A port that cannot be had is an OSError, and nothing is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = monitor("127.0.0.1", taken.getsockname()[1], CollectorRegistry())
        with pytest.raises(OSError, match="in use"):
            await served.__aenter__()
