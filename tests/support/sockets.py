"""Which TCP ports processes listen on, as /proc tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_LISTEN = "0A"


def listening(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Table (tcp or tcp6) and port of every socket that one of the processes listens on."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for row in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = row.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                found.add((table, int(fields[1].rpartition(":")[2], 16)))
    return found


def _sockets(pid: int) -> Iterable[str]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
        except OSError:
            continue
        if match:
            yield match[1]
