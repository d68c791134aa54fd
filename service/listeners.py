"""Listening sockets: one per address, opened once, shared by all workers that accept from them.

A listening socket that is closed resets every connection in its queue and every handshake under
way. So before a process stops for good it refuses new connections and empties the queue, and only
then closes the socket.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any

BACKLOG = 1024
"""Connections that may wait to be accepted, per listener."""

_NOT_HERE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
"""An address of the host's name that this machine does not have, such as ::1 in many containers."""

_SO_BINDTOIFINDEX = 62

_NO_INTERFACE = 2**31 - 1
"""The largest interface index; the kernel numbers interfaces from 1."""


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of the host. Raises OSError."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                listener = _listener(family, (address[0], port, *address[2:]))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
            else:
                listeners.append(listener)
                port = listener.getsockname()[1]  # PORT=0: the same one on every address
    except OSError:
        close(listeners)
        raise
    if not listeners:
        raise missing or OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    return listeners


def _listener(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = (error.strerror or "").lower()
        raise OSError(error.errno, f"{address[0]}, port {address[1]}: {reason}") from error
    return listener


def refuse_new(listeners: Sequence[socket.socket]) -> None:
    """Refuse new connections in all processes that share the listeners.

    Handshakes under way still complete, and the queue can still be accepted. It works by binding
    the listener to a network interface that does not exist: the kernel then finds no listener for
    a SYN, while a handshake in progress has its own entry. Linux 5.7 or newer, no privilege
    needed; elsewhere it does nothing, and connections made just before the close are reset.
    """
    if sys.platform != "linux":
        return
    for listener in listeners:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NO_INTERFACE)
        except OSError:  # an older kernel
            return


def close(listeners: Sequence[socket.socket]) -> None:
    """Close this process's copies; the port is free once the last process has closed its own."""
    for listener in listeners:
        listener.close()
