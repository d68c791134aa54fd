"""What a worker has from its supervisor."""

from __future__ import annotations

import os

import pytest

from service import worker
from service.doors import close, open_doors
from service.running import READY
from service.worker import environment, this_worker


def test_a_worker_finds_its_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own ones, those of the others, and whom to tell; none goes on to its children."""
    doors = [open_doors("127.0.0.1", 0) for _ in range(3)]
    where = [[door.getsockname() for door in each] for each in doors]
    ours, theirs = os.pipe()
    for name, value in environment(1, doors).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(READY, str(theirs))
    # As in another process: the descriptors are the worker's from here on.
    for each in doors:
        for door in each:
            os.set_inheritable(door.fileno(), True)
            door.detach()
    found = this_worker()
    assert found is not None
    try:
        assert where[1] == [door.getsockname() for door in found.doors]
        assert where[0] + where[2] == [door.getsockname() for door in found.neighbours]
        assert not any(door.get_inheritable() for door in [*found.doors, *found.neighbours])
        found.serves()
        assert b"." == os.read(ours, 2)
        assert b"" == os.read(ours, 2)
    finally:
        close([*found.doors, *found.neighbours])
        os.close(ours)


def test_who_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a number a process is no worker."""
    monkeypatch.delenv(worker.WORKER, raising=False)
    assert None is this_worker()
