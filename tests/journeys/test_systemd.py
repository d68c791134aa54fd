"""A process that systemd waits for says when it serves."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.processes import Processes, free_ports

pytestmark = pytest.mark.process


@pytest.mark.parametrize("which", ["service", "workers", "relay"])
def test_ready_is_said_once(processes: Processes, tmp_path: Path, which: str) -> None:
    """READY=1 comes once from each process, of a service with workers from the supervisor alone."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(path)
        heard.settimeout(30.0)
        if which == "relay":
            started = processes.relay(NOTIFY_SOCKET=path)
        elif which == "workers":
            (port,) = free_ports(1)
            started = processes.service(NOTIFY_SOCKET=path, PORT=str(port), WEB_CONCURRENCY="2")
        else:
            started = processes.service(NOTIFY_SOCKET=path)
        assert b"READY=1" == heard.recv(100)
        assert 0 == started.stop().code
        heard.setblocking(False)
        with pytest.raises(BlockingIOError):
            heard.recv(100)
