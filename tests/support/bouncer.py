"""A PgBouncer before the test's database: few server connections, shared by all who come."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service.contract.embedded.account import UNPRIVILEGED
from service.contract.postgres import Database
from tests.support.processes import free_ports
from tests.support.waiting import until

PROGRAM = os.environ.get("TEST_PGBOUNCER") or shutil.which(
    "pgbouncer", path=f"{os.defpath}:/usr/sbin"
)
"""Any version from 1.18 on; TEST_PGBOUNCER names another one than the machine's."""

SERVER_CONNECTIONS = 2
"""So few that clients cannot help sharing them, and every state left on one is met by another."""

SETTINGS = """
[databases]
{name} = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_login_retry = 1
log_connections = 0
log_disconnections = 0
"""


class Bouncer:
    """Starts, kills and starts again one PgBouncer in transaction mode, always on one port."""

    def __init__(self, upstream: Database, directory: Path, size: int) -> None:
        given = conninfo_to_dict(upstream.conninfo)
        (self._port,) = free_ports(1)
        self._directory = directory
        self._running: subprocess.Popen[bytes] | None = None
        user, password = str(given["user"]), str(given.get("password", ""))
        (directory / "users").write_text(f'"{user}" "{password}"\n', "utf-8")
        (directory / "bouncer.ini").write_text(
            SETTINGS.format(
                name=given["dbname"],
                host=given["host"],
                port=given.get("port", 5432),
                listen_port=self._port,
                directory=directory,
                size=size,
            ),
            "utf-8",
        )
        conninfo = make_conninfo(
            upstream.conninfo, host="127.0.0.1", port=self._port, sslmode="disable"
        )
        self.database = replace(upstream, conninfo=conninfo)
        """The database as it is reached through it."""

    def start(self) -> None:
        """Start it; return once it lets clients in."""
        assert PROGRAM is not None
        account = _account()
        with (self._directory / "log").open("ab") as log:
            self._running = subprocess.Popen(
                [PROGRAM, self._directory / "bouncer.ini"],
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._lets_in, "PgBouncer lets clients in")

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it at once, with every connection through it; nothing if it does not run."""
        running, self._running = self._running, None
        if running is not None:
            running.send_signal(number)
            running.wait(10)

    def _lets_in(self) -> bool:
        said = (self._directory / "log").read_text("utf-8", "replace")
        assert self._running is not None
        assert self._running.poll() is None, said
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


@contextmanager
def bounced(database: Database, size: int = SERVER_CONNECTIONS) -> Iterator[Bouncer]:
    """Yield a PgBouncer that runs in front of the database; the test is skipped where there is none."""
    if PROGRAM is None:
        pytest.skip("needs pgbouncer (Debian and Ubuntu: apt install pgbouncer)")
    # Not below pytest's directories: those are for root alone, who is not let run it.
    with tempfile.TemporaryDirectory(prefix="everyclick-bouncer-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        bouncer = Bouncer(database, directory, size)
        try:
            bouncer.start()
            yield bouncer
        finally:
            bouncer.end()
            print((directory / "log").read_text("utf-8", "replace"))


def _account() -> pwd.struct_passwd | None:
    """Whom to run it as: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("pgbouncer refuses root, and there is no account to run it as")
