"""The sockets that connections come in by: opened once, and closed on nobody who is half inside.

A listening socket that is closed resets everybody in its queue, and whoever is one packet short
of it. So it is shut first: from then on the kernel lets no one begin, and the queue can be emptied.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

BACKLOG = 1024
"""Connections that may wait to be accepted, per door."""

_NOT_HERE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
"""An address of the host's name that this machine does not have, such as ::1 in many containers."""

_SO_ATTACH_FILTER = 26

# Classic BPF over the TCP header, as (code, jt, jf, k): load the flags; is it a SYN? drop : accept.
_NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def open_doors(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Listen on every address of the host; `shared` doors let others onto the port.

    Raises OSError.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    doors: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                doors.append(_door(family, address, shared=shared))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
    except OSError:
        close(doors)
        raise
    if not doors:
        raise missing or OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    return doors


def _door(family: int, address: tuple[Any, ...], *, shared: bool) -> socket.socket:
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setblocking(False)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind(address)
        door.listen(BACKLOG)
    except OSError as error:
        door.close()
        told = (error.strerror or "").lower()
        raise OSError(error.errno, f"{address[0]}, port {address[1]}: {told}") from error
    return door


def shut(doors: Sequence[socket.socket]) -> None:
    """Let nobody new begin, whichever processes share the doors; who has begun still gets in.

    A client that is turned away hears nothing, and asks the kernel again a second later: by then
    the port is closed, or somebody else's. Where the kernel cannot do it this does nothing.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _NO_SYN))
    told = struct.pack("HP", len(_NO_SYN), ctypes.addressof(program))
    for door in doors:
        try:
            door.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, told)
        except OSError:  # a kernel without it; what is lost is the certainty of the last moment
            return


def close(doors: Sequence[socket.socket]) -> None:
    """Let go of the doors; they are closed for good when the last process has let go."""
    for door in doors:
        door.close()
