"""Listening sockets: opened on every address, closed without resetting a connection."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from service.listeners import close, open_listeners, refuse_new
from tests.support.processes import REPOSITORY

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel cannot do it")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener from which nothing accepts."""
    (opened,) = open_listeners("127.0.0.1", 0)
    with opened:
        yield opened


def test_every_address_is_listened_on() -> None:
    """A name with several addresses has a listener on each that this machine has."""
    listeners = open_listeners("localhost", 0)
    with ExitStack() as stack:
        for each in listeners:
            stack.enter_context(each)
            stack.enter_context(closing(socket.create_connection(each.getsockname()[:2], 5)))
        assert len(listeners) == len({each.getsockname()[0] for each in listeners}) > 0


def test_any_port_is_the_same_on_every_address() -> None:
    """With port 0 the system chooses one, for all addresses of the name."""
    listeners = open_listeners("localhost", 0)
    try:
        assert 1 == len({each.getsockname()[1] for each in listeners})
    finally:
        close(listeners)


def test_a_port_that_is_taken(listener: socket.socket) -> None:
    """The error says so."""
    with pytest.raises(OSError, match=f"Errno {errno.EADDRINUSE}"):
        open_listeners("127.0.0.1", listener.getsockname()[1])


def test_an_address_of_others() -> None:
    """An address that this machine does not have is an error when there is no other."""
    with pytest.raises(OSError, match=f"Errno {errno.EADDRNOTAVAIL}"):
        open_listeners("192.0.2.1", 0)


@linux
def test_begun_connections_complete(listener: socket.socket) -> None:
    """Connections in the queue can still be accepted and used, without any privilege; new ones are
    refused.
    """
    with socket.create_connection(listener.getsockname(), 5) as early, socket.socket() as late:
        refuse_new([listener])
        with pytest.raises(ConnectionRefusedError):
            late.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            early.sendall(b"hello")
            accepted.settimeout(5)
            assert b"hello" == accepted.recv(5)
            with pytest.raises(BlockingIOError):
                listener.accept()


WITHOUT_PRIVILEGE = """
import encodings.idna, os, socket
from service.listeners import close, open_listeners, refuse_new
from tests.support.processes import REPOSITORY
os.setgid(65534)
os.setuid(65534)
(listener,) = open_listeners("127.0.0.1", 0)
refuse_new([listener])
print(socket.socket().connect_ex(listener.getsockname()))
"""


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user the test above says the same")
def test_no_privilege_is_needed() -> None:
    """It holds for a process without any capability too."""
    argv = [sys.executable, "-c", WITHOUT_PRIVILEGE]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (f"{errno.ECONNREFUSED}\n", "") == (done.stdout, done.stderr)


def test_an_older_kernel(listener: socket.socket) -> None:
    """A kernel that does not let an ordinary user do it changes nothing else."""

    class Older(socket.socket):
        def setsockopt(self, *_: object) -> None:
            raise PermissionError

    with Older(fileno=os.dup(listener.fileno())) as older:
        refuse_new([older])
    with socket.create_connection(listener.getsockname(), 5):
        listener.accept()[0].close()
