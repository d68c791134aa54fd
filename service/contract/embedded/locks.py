"""File locks: the kernel drops them when their holder dies, so there is nothing to clean up."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]


def open_private(path: Path, flags: int = os.O_RDWR) -> int:
    """Open (making it, 0600) a file of ours; never through a symbolic link.

    Made by root inside a user's directory it is given to that user, who can open it later.
    """
    fd = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        parent = path.parent.stat()
        if os.fstat(fd).st_uid != parent.st_uid:
            os.fchown(fd, parent.st_uid, parent.st_gid)
    return fd


def share(fd: int) -> bool:
    """Take the lock together with others; False when somebody holds it alone."""
    return _try(fd, fcntl.LOCK_SH)


def own(fd: int) -> bool:
    """Take the lock alone; False when anybody else holds it. A shared lock held before is lost."""
    return _try(fd, fcntl.LOCK_EX)


def _try(fd: int, operation: int) -> bool:
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def mutex(path: Path, say: Say) -> Iterator[None]:
    """Hold the lock file alone for the block; waits as long as it takes, and says so."""
    fd = open_private(path)
    try:
        told = time.monotonic() - 8  # the first word after 2 s, then every 10 s
        while not own(fd):
            if time.monotonic() - told > 10:
                told = time.monotonic()
                say("waiting for another process that starts or stops the embedded Postgres…")
            time.sleep(0.02)
        yield
    finally:
        os.close(fd)
