"""The machine: what a reader has to know before comparing its figures with another's."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import psycopg

from ops.bench.figure import percentile

FLUSHES = 200
"""Writes whose way to the disk is timed; a slow disk takes 2 s for them."""

PAGE = b"\0" * 8192
"""One page of Postgres."""

MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})


def describe(connection: psycopg.Connection, directory: Path) -> dict[str, object]:
    """Return the machine's description; the disk is the one `directory` is on."""
    flushes = flush_times(directory)
    load, *_ = os.getloadavg()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if _LINUX else os.cpu_count(),
        "memory": f"{_memory() / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "postgres": _postgres(connection),
        "file_system": file_system(directory),
        "flush_of_8_kib": f"{percentile(flushes, 50) * 1e3:.2f} ms median, "
        f"{percentile(flushes, 99) * 1e3:.2f} ms p99",
        "load_before": f"{load:.2f} (1 minute average; figures of a busy machine are worth little)",
    }


def flush_times(directory: Path) -> list[float]:
    """Return, in order, how many seconds each of some page writes took to be on disk."""
    # What Postgres calls for each commit, unless told otherwise: fdatasync, where there is one.
    flush = getattr(os, "fdatasync", os.fsync)
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        os.write(file.fileno(), PAGE * 64)
        os.fsync(file.fileno())
        for turn in range(FLUSHES):
            began = perf_counter()
            os.pwrite(file.fileno(), PAGE, turn % 64 * len(PAGE))
            flush(file.fileno())
            times.append(perf_counter() - began)
    return sorted(times)


def file_system(directory: Path) -> str:
    """Return the type of the file system a directory is on, "unknown" where it is not told."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    path = directory.resolve()
    found = [(len(at), kind) for at, kind in mounts if path.is_relative_to(at)]
    return max(found, default=(0, "unknown"), key=lambda mount: mount[0])[1]


def place() -> Path:
    """Return where large temporary data goes: on a disk rather than in memory."""
    for candidate in (Path("/var/tmp"), Path(tempfile.gettempdir())):  # noqa: S108 - made private
        if os.access(candidate, os.W_OK) and file_system(candidate) not in MEMORY_FILE_SYSTEMS:
            return candidate
    return Path(tempfile.gettempdir())


_LINUX = platform.system() == "Linux"


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return found[1]
    if platform.system() == "Darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _postgres(connection: psycopg.Connection) -> str:
    told = [
        f"{name} {connection.execute(psycopg.sql.SQL('SHOW ') + psycopg.sql.Identifier(name)).fetchall()[0][0]}"
        for name in ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    ]
    version = connection.execute("SHOW server_version").fetchall()[0][0]
    return f"{version} ({', '.join(told)})"
