"""What systemd is told of a service of Type=notify: that the process serves (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""Names the socket of who started this process and waits until it serves; workers are not given it."""


def announce() -> None:
    """Tell the socket in NOTIFY_SOCKET, if there is one, that this process listens."""
    address = os.environ.get(NOTIFY_SOCKET)
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"  # Linux's abstract names
    # Who does not hear it will end us after a while; until then there are redirects to answer.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.connect(address)
        told.sendall(b"READY=1")
