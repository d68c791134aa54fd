"""The embedded Postgres as its users see it: join, use, leave."""

import os
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from service.contract.embedded import binaries, locks
from service.contract.embedded.errors import EmbeddedPostgresError
from service.contract.embedded.locks import Say
from service.contract.embedded.server import Server

KEEPER_SECONDS = 0.3
KEEPER_SECONDS_AFTER_FAILURE = 5.0
KEEPER_FULL_LOOK = 10  # every so many looks at the lock, one at the socket


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class EmbeddedPostgres:
    """One process's use of the Postgres in `data_dir`.

    Any number of processes may use one `data_dir` at a time: the first starts the server, the last
    to leave stops it. A user that is killed has left by that, and the server survives it. Methods
    block (use them before an event loop starts, or in a thread); any thread may call them.
    As a context manager it starts, keeps, and stops.
    """

    def __init__(self, data_dir: Path, *, say: Say = _to_stderr) -> None:
        """`say` gets progress in words ("Postgres is recovering…"), possibly from a thread."""
        self._data_dir = data_dir.absolute()
        self._say = say
        self._server = Server(self._data_dir, say)
        self._users: int | None = None  # holds a shared lock for as long as we are a user
        self._gate = threading.RLock()
        self._leaving = threading.Event()
        self._keeper: threading.Thread | None = None

    @property
    def conninfo(self) -> str:
        """libpq keywords, `host=… port=5432 user=everyclick dbname=everyclick`; once started."""
        return self._server.conninfo

    @property
    def bin_dir(self) -> Path:
        """Where psql, pg_dump and their like are."""
        return binaries.bin_dir()

    def start(self) -> None:
        """Join; return when the server accepts sessions. Called again, only make sure of that.

        Raises EmbeddedPostgresError, having left again.
        """
        with self._gate:
            self._leaving.clear()
            try:
                self._bring_up()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Leave; the last user stops the server and waits for its end. Not started: do nothing."""
        self._leaving.set()
        keeper, self._keeper = self._keeper, None
        if keeper is not None and keeper is not threading.current_thread():
            keeper.join()
        with self._gate:
            users, self._users = self._users, None
            if users is None:
                return
            try:
                with self._mutex():
                    try:
                        if locks.own(users):
                            self._server.stop()
                    finally:
                        # Before the mutex goes: of two who leave at once one must be the last.
                        os.close(users)
            except OSError as error:
                raise EmbeddedPostgresError(
                    f"The Postgres in {self._data_dir} could not be stopped: {error}"
                ) from error

    def ensure_running(self) -> bool:
        """If the server died start it again, wait out its recovery, and return True."""
        with self._gate:
            if self._users is None:
                raise EmbeddedPostgresError("The embedded Postgres has not been started.")
            return False if self._server.is_listening() else self._bring_up()

    def keeper(self) -> None:
        """Until `stop`, notice within about 0.3 s that the server died, and start it again."""
        with self._gate:
            if self._users is None:
                raise EmbeddedPostgresError("The embedded Postgres has not been started.")
            if self._keeper is None:
                self._keeper = threading.Thread(
                    target=self._keep, name="postgres-keeper", daemon=True
                )
                self._keeper.start()

    def __enter__(self) -> Self:
        self.start()
        self.keeper()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _mutex(self) -> AbstractContextManager[None]:
        return locks.mutex(self._data_dir / "lock", self._say)

    def _bring_up(self) -> bool:
        launched = False
        # A server may die between any two steps. One that does so five times will not come up.
        for _ in range(5):
            try:
                # Parents get the usual permissions, what we make for ourselves is private.
                self._data_dir.parent.mkdir(parents=True, exist_ok=True)
                self._data_dir.mkdir(mode=0o700, exist_ok=True)
                with self._mutex():
                    if self._users is None:
                        self._users = locks.open_private(self._data_dir / "users")
                        locks.share(self._users)  # the mutex is ours, so nobody can be leaving
                    if not self._server.is_listening():
                        launched = self._server.launch() or launched
                if self._server.wait_ready(self._leaving):
                    return launched
                if self._leaving.is_set():
                    raise EmbeddedPostgresError("Stopped before Postgres was ready.")
            except OSError as error:
                raise EmbeddedPostgresError(
                    f"The embedded Postgres in {self._data_dir} cannot be used: {error}. "
                    "Choose another DATA_DIR, or set DATABASE_URL."
                ) from error
        raise EmbeddedPostgresError(f"Postgres keeps dying; see {self._data_dir / 'postgres.log'}.")

    def _keep(self) -> None:
        looks = 0
        pause = KEEPER_SECONDS
        while not self._leaving.wait(pause):
            pause = KEEPER_SECONDS
            looks += 1
            try:
                # Looking at the lock costs microseconds, at the socket it costs the server a fork.
                if not self._server.is_gone() and looks % KEEPER_FULL_LOOK:
                    continue
                if self.ensure_running():
                    self._say("Postgres had died; it is running again.")
            except (EmbeddedPostgresError, OSError) as error:
                if self._leaving.is_set():
                    break
                self._say(f"Postgres died and could not be started: {error}")
                pause = KEEPER_SECONDS_AFTER_FAILURE
