"""Listening sockets: opened on every address, shut on nobody who is half inside."""

from __future__ import annotations

import errno
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from service.doors import close, open_doors, shut

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel cannot do it")


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """A door that nobody minds."""
    (opened,) = open_doors("127.0.0.1", 0)
    with opened:
        yield opened


def port_of(door: socket.socket) -> int:
    """Where it is."""
    return int(door.getsockname()[1])


def test_every_address_is_listened_on() -> None:
    """A name with several addresses has a door on each that this machine has."""
    doors = open_doors("localhost", 0)
    with ExitStack() as stack:
        for each in doors:
            stack.enter_context(each)
            stack.enter_context(closing(socket.create_connection(each.getsockname()[:2], 5)))
        assert len(doors) == len({each.getsockname()[0] for each in doors}) > 0


def test_a_port_that_is_taken(door: socket.socket) -> None:
    """The error says so, whether the doors would be shared or not."""
    for shared in (False, True):
        with pytest.raises(OSError, match=f"Errno {errno.EADDRINUSE}"):
            open_doors("127.0.0.1", port_of(door), shared=shared)


def test_an_address_of_others() -> None:
    """An address that this machine does not have is an error when there is no other."""
    with pytest.raises(OSError, match=f"Errno {errno.EADDRNOTAVAIL}"):
        open_doors("192.0.2.1", 0)


def test_shared_doors_have_one_port() -> None:
    """Several doors on one port: each client comes in by exactly one of them."""
    (first,) = open_doors("127.0.0.1", 0, shared=True)
    (second,) = open_doors("127.0.0.1", port_of(first), shared=True)
    with first, second, ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(closing(socket.create_connection(first.getsockname(), 5)))
        came = dict.fromkeys((first, second), 0)
        for door in came:
            try:
                while True:
                    stack.enter_context(door.accept()[0])
                    came[door] += 1
            except BlockingIOError:
                pass
        assert 40 == sum(came.values())
        assert min(came.values()) > 0


@linux
def test_shut_lets_in_who_has_begun(door: socket.socket) -> None:
    """Shut, it hands out those in its queue, who can talk, and nobody else."""
    with socket.create_connection(door.getsockname(), 5) as early, socket.socket() as late:
        shut([door])
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(door.getsockname())
        accepted, _ = door.accept()
        with accepted:
            early.sendall(b"hello")
            accepted.settimeout(5)
            assert b"hello" == accepted.recv(5)
            with pytest.raises(BlockingIOError):
                door.accept()


@linux
def test_who_was_turned_away_is_refused(door: socket.socket) -> None:
    """A client that came too late is refused once the door is closed, not cut."""
    address = door.getsockname()
    shut([door])
    with socket.socket() as late:
        late.setblocking(False)
        assert errno.EINPROGRESS == late.connect_ex(address)
        close([door])
        assert [late] == select.select([], [late], [], 10)[1]
        assert errno.ECONNREFUSED == late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
