"""What systemd is told of a service of Type=notify: that the process serves (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from service.contract.process import LIFELINE


def announce() -> None:
    """Tell who asked for it in NOTIFY_SOCKET that we listen; a worker leaves it to its supervisor."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or LIFELINE in os.environ:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"  # Linux's abstract names
    # Who does not hear it will end us after a while; until then there are redirects to answer.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.connect(address)
        told.sendall(b"READY=1")
