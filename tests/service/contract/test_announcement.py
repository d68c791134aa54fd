"""What systemd is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from service.contract.announcement import announce


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """The socket that NOTIFY_SOCKET names, non-blocking."""
    path = str(tmp_path / "notify")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    listening.bind(path)
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    return listening


def test_ready(heard: socket.socket) -> None:
    """Who listens says READY=1, once."""
    with heard:
        announce()
        assert b"READY=1" == heard.recv(100)
        with pytest.raises(BlockingIOError):
            heard.recv(100)


def test_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that begins with @ is one of Linux's abstract ones."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listening:
        listening.bind("")
        name = listening.getsockname()
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:].decode())
        announce()
        assert b"READY=1" == listening.recv(100)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A socket that is gone, or none at all, keeps nobody from serving."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    announce()
    monkeypatch.delenv("NOTIFY_SOCKET")
    announce()
