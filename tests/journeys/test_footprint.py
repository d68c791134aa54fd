"""What `make run` takes of the machine: three ports, its own directory, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.processes import Processes, free_ports, tree
from tests.support.sockets import listening

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="there is no /proc here"),
]


def modes(path: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owners of all directories above a path."""
    seen = {folder: folder.stat() for folder in path.parents}
    return {folder: (each.st_mode, each.st_uid, each.st_gid) for folder, each in seen.items()}


def made(directory: Path) -> list[str]:
    """What is in a directory, but for what measuring the coverage of processes leaves there."""
    names = [path.name for path in directory.iterdir()]
    return [name for name in names if not name.startswith(".coverage")]


def test_run_takes_three_ports_and_its_directory(
    embedded_processes: Processes, tmp_path: Path
) -> None:
    """From a private directory, also root's: three ports are open, no directory above changes."""
    processes = embedded_processes
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    before = modes(private / "data")
    ports = free_ports(3)
    names = ("PORT", "METRICS_PORT", "RELAY_METRICS_PORT")
    run = processes.start(
        "ops.run",
        cwd=private,
        env={
            "DATA_DIR": "data",
            **{name: str(port) for name, port in zip(names, ports, strict=True)},
        },
    )
    run.ready(lambda: "Ctrl-C stops all of it." in run.stderr, "its welcome")
    run.ready(lambda: len(run.logged("database_ready")) == 2, "service and relay at work")
    pids = [run.pid, *tree(run.pid)]
    assert {("tcp", port) for port in ports} == listening(pids)
    assert before == modes(private / "data")
    assert (private / "data").stat().st_mode & 0o777 == 0o700
    assert os.geteuid() == (private / "data").stat().st_uid
    assert made(private) == ["data"]
    assert run.interrupt().code == 0
    assert before == modes(private / "data")
    assert made(private) == ["data"]
