"""Ports: why one cannot be had, which process has it, and another one for metrics."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

from service.contract.process import say
from service.contract.settings import Settings

_LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def port_fault(setting: str, host: str, port: int, error: OSError) -> str:
    """Return what is wrong in a sentence, with the settings to change; HOST goes with PORT."""
    prefix = f"{setting}={port}"
    hosts = "METRICS_HOST" if "METRICS" in setting else "HOST"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{hosts}={host}: this machine has no such address."
    if error.errno == errno.EADDRINUSE:
        return (
            f"{prefix}: the port is in use on {host}{_by(port)}. Set {setting} to a free port, "
            "or end that process."
        )
    if error.errno == errno.EACCES:
        return f"{prefix}: this user may not listen on it. Set {setting} to a port from 1024 on."
    return f"{hosts}={host}, {prefix}: {error.strerror or error}."


def metrics_port(settings: Settings, field: str) -> int:
    """Return the port for metrics that the field says; another free one when its default is taken.

    So a second relay starts beside the first. A port that was asked for is never changed.
    """
    port: int = getattr(settings, field)
    host = settings.metrics_host
    if field in settings.model_fields_set or not _in_use(host, port):
        return port
    with socket.create_server((host, 0), family=_family(host)) as free:
        other: int = free.getsockname()[1]
    say(
        f"{field.upper()}={port}, the default, is in use{_by(port)}: metrics are on port {other}. "
        f"Set {field.upper()} to choose one.",
        "warning",
    )
    return other


def _in_use(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port), family=_family(host)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _by(port: int) -> str:
    pid = holder(port)
    if pid is None:
        return ""
    with suppress(OSError):
        words = (
            Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").replace("\0", " ").strip()
        )
        return f" by process {pid} ({words[:80]})"
    return f" by process {pid}"


def holder(port: int) -> int | None:
    """Return the process that listens on the port, as far as /proc shows it to this user."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            rows = (line.split() for line in table.read_text().splitlines()[1:])
            inodes |= {
                f"socket:[{row[9]}]"
                for row in rows
                if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port
            }
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        return int(process.name)
    return None
