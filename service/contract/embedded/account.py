"""The system account the server runs under: ours, or an unprivileged one when we are root."""

import os
import pwd
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from service.contract.embedded.errors import EmbeddedPostgresError

# Tried in this order when root starts a new cluster. Accounts are never created.
UNPRIVILEGED = ("everyclick", "postgres", "nobody")

# Nothing of the caller's: PG* would change what the tools do, LD_* which libraries they load.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Account:
    """Who runs the server; `dropped` when that is not the caller (who then is root)."""

    uid: int
    gid: int
    dropped: bool

    @property
    def name(self) -> str:
        """The account's name, or its number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def run(
        self, argv: Sequence[str | Path], *, pass_fds: Sequence[int] = (), stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as this account. Raises OSError when it cannot be executed.

        Interrupted, it leaves none of the program's own children behind (initdb has some).
        """
        with subprocess.Popen(
            argv,
            user=self.uid if self.dropped else None,
            group=self.gid if self.dropped else None,
            extra_groups=[] if self.dropped else None,
            env=ENVIRONMENT,
            cwd="/",
            pass_fds=pass_fds,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process:
            try:
                output, error = process.communicate(stdin)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()  # their end of the pipe closes with the last of them
                raise
        return subprocess.CompletedProcess(argv, process.returncode, output, error)

    def spawn(
        self, argv: Sequence[str | Path], *, pass_fds: Sequence[int], output: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start a program as this account, out of reach of the terminal's Ctrl-C."""
        return subprocess.Popen(
            argv,
            user=self.uid if self.dropped else None,
            group=self.gid if self.dropped else None,
            extra_groups=[] if self.dropped else None,
            env=ENVIRONMENT,
            cwd="/",
            pass_fds=pass_fds,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def can_enter(self, directory: Path) -> bool:
        """Whether this account can reach the directory and make files in it."""
        if not self.dropped:
            return os.access(directory, os.W_OK | os.X_OK)
        try:
            script = 'cd "$1" && test -w .'
            return self.run(["/bin/sh", "-c", script, "sh", directory]).returncode == 0
        except OSError:
            return False


def account_for(cluster: Path) -> Account:
    """The account for this cluster directory, which need not exist yet."""
    me = os.geteuid()
    try:
        found = cluster.stat()
    except FileNotFoundError:
        found = None
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"{cluster} is not ours to read. Run as its owner, or choose another DATA_DIR."
        ) from error
    if me != 0:
        if found is not None and found.st_uid != me:
            raise EmbeddedPostgresError(
                f"{cluster} belongs to user id {found.st_uid}, we are {me}. "
                "Run as its owner, or choose another DATA_DIR."
            )
        return Account(me, os.getegid(), dropped=False)
    if found is not None and found.st_uid != 0:
        return Account(found.st_uid, found.st_gid, dropped=True)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if found is not None and any(cluster.iterdir()):
            raise EmbeddedPostgresError(
                f"{cluster} belongs to root, and Postgres refuses to run as root. "
                f"Give it away with: chown -R {name} '{cluster}'"
            )
        return Account(entry.pw_uid, entry.pw_gid, dropped=True)
    raise EmbeddedPostgresError(
        "Postgres refuses to run as root, and there is no user named "
        f"{', '.join(UNPRIVILEGED)} to run it as. Start as an ordinary user, or set DATABASE_URL."
    )
