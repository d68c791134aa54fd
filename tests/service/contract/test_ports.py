"""What is said of a port that cannot be had, and where metrics go instead."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from relay.settings import RelaySettings
from service.contract.ports import holder, metrics_port, port_fault

PROC = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="there is no /proc here")


@PROC
def test_the_process_that_has_the_port_is_named() -> None:
    """With its pid and command line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert os.getpid() == holder(port)
        told = port_fault("PORT", "127.0.0.1", port, OSError(errno.EADDRINUSE, "in use"))
    assert told.startswith(
        f"PORT={port}: the port is in use on 127.0.0.1 by process {os.getpid()} ("
    )
    assert told.endswith("Set PORT to a free port, or end that process.")
    assert holder(port) is None


@pytest.mark.parametrize(
    "setting, error, expected",
    [
        ("PORT", OSError(errno.EADDRNOTAVAIL, ""), "HOST=h: this machine has no such address."),
        ("PORT", socket.gaierror(-2, ""), "HOST=h: this machine has no such address."),
        (
            "RELAY_METRICS_PORT",
            OSError(errno.EADDRNOTAVAIL, ""),
            "METRICS_HOST=h: this machine has no such address.",
        ),
        ("PORT", OSError(errno.EACCES, ""), "PORT=1: this user may not listen on it."),
        ("PORT", OSError(errno.EMFILE, "Too many"), "HOST=h, PORT=1: Too many."),
    ],
)
def test_other_faults(setting: str, error: OSError, expected: str) -> None:
    """Each names the setting to change."""
    assert port_fault(setting, "h", 1, error).startswith(expected)


def test_a_default_that_is_taken_moves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second relay starts beside the first, and says where its metrics are."""
    monkeypatch.delenv("RELAY_METRICS_PORT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        field = RelaySettings.model_fields["relay_metrics_port"]
        monkeypatch.setattr(field, "default", port)
        RelaySettings.model_rebuild(force=True)
        try:
            other = metrics_port(RelaySettings.load(), "relay_metrics_port")
            monkeypatch.setenv("RELAY_METRICS_PORT", str(port))
            asked_for = metrics_port(RelaySettings.load(), "relay_metrics_port")
        finally:
            monkeypatch.undo()
            RelaySettings.model_rebuild(force=True)
    assert other not in {0, port}
    assert port == asked_for
    said = capsys.readouterr().err
    assert said.startswith(f"RELAY_METRICS_PORT={port}, the default, is in use")
    assert f"metrics are on port {other}." in said
    assert 1 == said.count("\n")


def test_a_free_port_stays() -> None:
    """What is free, or 0, is what was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for each in (port, 0):
        settings = RelaySettings(relay_metrics_port=each)
        assert each == metrics_port(settings, "relay_metrics_port")


@PROC
def test_a_command_line_that_is_not_text() -> None:
    """A process whose arguments are not UTF-8 is named all the same."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        argv = [os.fsencode(sys.executable), b"-c", b"input()", b"caf\xe9"]
        kept = subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=[taken.fileno()])
    try:
        told = port_fault("PORT", "127.0.0.1", port, OSError(errno.EADDRINUSE, "in use"))
    finally:
        kept.communicate()
    assert f"by process {kept.pid} (" in told
