"""What a worker has from its supervisor."""

from __future__ import annotations

import os

import pytest

from service import worker
from service.child_process import READY
from service.listeners import close, open_listeners
from service.worker import environment, this_worker


def test_a_worker_finds_its_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    """All listeners, none inherited by its own children, and the pipe to report on."""
    listeners = [listener for _ in range(2) for listener in open_listeners("127.0.0.1", 0)]
    addresses = [listener.getsockname() for listener in listeners]
    ours, theirs = os.pipe()
    for name, value in environment(listeners).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(READY, str(theirs))
    # As in another process: the descriptors are the worker's from here on.
    for listener in listeners:
        os.set_inheritable(listener.fileno(), True)
        listener.detach()
    found = this_worker()
    assert found is not None
    try:
        assert addresses == [listener.getsockname() for listener in found.listeners]
        assert not any(listener.get_inheritable() for listener in found.listeners)
        found.serves()
        assert b"." == os.read(ours, 2)
        assert b"" == os.read(ours, 2)
    finally:
        close(found.listeners)
        os.close(ours)


def test_a_process_without_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without inherited listeners a process is no worker."""
    monkeypatch.delenv(worker.LISTENERS, raising=False)
    assert None is this_worker()
