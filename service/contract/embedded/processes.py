"""The operating system's processes at work in one cluster directory."""

import os
import signal
from pathlib import Path

_PROC = Path("/proc")


class Processes:
    """Found by their working directory, which postgres makes the cluster: no pid is trusted."""

    def __init__(self, cluster: Path) -> None:
        self._cluster = cluster

    def are_visible(self) -> bool:
        """Whether this system has a /proc to look at; without, `pids` believes postmaster.pid."""
        return (_PROC / "self" / "cwd").exists()

    def pids(self) -> list[int]:
        """The postmaster and its children, orphans included; not what is already a zombie."""
        if not self.are_visible():
            pid = self._postmaster()
            return [] if pid is None else [pid]
        found = []
        for entry in _PROC.iterdir():
            try:
                if entry.name.isdigit() and (entry / "cwd").samefile(self._cluster):
                    program = (entry / "exe").readlink().name
                    if program.removesuffix(" (deleted)") == "postgres":
                        found.append(int(entry.name))
            except OSError:
                continue  # gone, a zombie, or not ours to see
        return found

    def signal(self, number: signal.Signals, *, postmaster_only: bool = False) -> int:
        """Send a signal to all of them, or to the one postmaster.pid names if it is among them.

        Returns how many got it.
        """
        reached = 0
        for pid in self.pids():
            if postmaster_only and pid != self._postmaster():
                continue
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
            reached += 1
        return reached

    def _postmaster(self) -> int | None:
        try:
            text = (self._cluster / "postmaster.pid").read_text(encoding="utf-8")
            return int(text.splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None
