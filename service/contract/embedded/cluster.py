"""The cluster: the directory Postgres keeps its data in."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.contract.embedded.account import Account
from service.contract.embedded.binaries import MAJOR
from service.contract.embedded.errors import EmbeddedPostgresError

USER = "everyclick"
DATABASE = "everyclick"
_UNFINISHED = "postgres.init-"


class Cluster:
    """`path` either is a complete cluster holding our database, or is not there at all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether there is a cluster here; raises if there is one our programs cannot serve."""
        try:
            major = (self.path / "PG_VERSION").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise EmbeddedPostgresError(
                    f"{self.path} holds files but no Postgres cluster. "
                    "Move it away, or choose another DATA_DIR."
                ) from None
            return False
        if major != str(MAJOR):
            raise EmbeddedPostgresError(
                f"{self.path} was made by Postgres {major}, the programs here are {MAJOR}. "
                f"Dump it with Postgres {major} and load it into a new DATA_DIR, "
                "or serve it yourself and set DATABASE_URL."
            )
        return True

    def make(self, account: Account, programs: Path, lock: int) -> None:
        """Make the cluster: all of it or, killed at any point, nothing at `path`.

        `lock` is the server lock's descriptor. The programs inherit it, so that an initdb that
        outlives a killed caller keeps the next one from clearing up beneath it.
        """
        for leftover in self.path.parent.glob(_UNFINISHED + "*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.path.parent))
        try:
            if account.dropped:
                os.chown(new, account.uid, account.gid)
            with data_argument(new, account) as (directory, fds):
                initdb: list[str | Path] = [
                    programs / "initdb",
                    "-D",
                    directory,
                    "-U",
                    USER,
                    "--encoding=UTF8",
                ]
                # The built-in provider is there on every system, and sorts the same on all.
                initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
                # Whoever gets into the socket's 0700 directory is the server's account, or root.
                initdb += ["--auth=trust", "--data-checksums", "--no-instructions"]
                made = account.run(initdb, pass_fds=(*fds, lock))
                if made.returncode != 0:
                    raise EmbeddedPostgresError(_failure("initdb", account, made.stderr))
                made = account.run(
                    [programs / "postgres", "--single", "-D", directory, "postgres"],
                    pass_fds=(*fds, lock),
                    stdin=f"CREATE DATABASE {DATABASE};\n",
                )
                # Single-user mode exits with 0 after a failed statement too.
                if made.returncode != 0 or "ERROR:" in made.stderr:
                    raise EmbeddedPostgresError(_failure("CREATE DATABASE", account, made.stderr))
            new.rename(self.path)
            parent = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(parent)  # a cluster acknowledged must not lose its name in a power cut
            finally:
                os.close(parent)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise


@contextmanager
def data_argument(path: Path, account: Account) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What to write after -D, and the file descriptors the program must inherit for it.

    Root may keep its data below a directory the server's account cannot pass (/root, a `mktemp
    -d`), and opening parents up is not ours to do. An inherited descriptor leads to the directory
    itself: /proc/self/fd/N is followed without a look at the parents, by the children too.
    """
    if not (account.dropped and Path("/proc/self/fd").is_dir()):
        yield str(path), ()
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}", (fd,)
    finally:
        os.close(fd)


def _failure(what: str, account: Account, stderr: str) -> str:
    lines = "\n".join(stderr.strip().splitlines()[-10:])
    return f"{what} failed (as user {account.name}):\n{lines}"
