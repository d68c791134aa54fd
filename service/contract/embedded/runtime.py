"""The runtime directory: a short private place for the socket, found again through a record file.

/tmp/everyclick-XXXXXXXX/           ours, writable by nobody else
    socket/.s.PGSQL.5432            0700, the server account's
    install/                        a copy of the programs, only where it is needed
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from service.contract.embedded.account import Account
from service.contract.embedded.errors import EmbeddedPostgresError

PREFIX = "everyclick-"
SOCKET = ".s.PGSQL.5432"
# Tried after TMPDIR. What is made there has an unguessable name and is closed to others.
SHARED = ("/tmp", "/var/tmp")  # noqa: S108 - see above
LONGEST_SOCKET_PATH = 103  # sun_path is 104 bytes on macOS, 108 on Linux, with its NUL


class RuntimeDir:
    """Remembers its place in the file `record`; makes and removes under the start/stop mutex."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def find(self, account: Account) -> Path | None:
        """The recorded directory if it is still there and still private, else None."""
        path = self._recorded()
        return path if path is not None and _is_private(path, account) else None

    def find_or_make(self, account: Account) -> Path:
        """A directory fit for a server of this account; the recorded path if at all possible,
        because the connection strings handed out before name it.
        """
        path = self._recorded()
        if path is not None:
            if _is_private(path, account):
                return path
            try:
                path.mkdir(mode=0o700)  # swept away, by a cleaner of /tmp or a reboot
                return _furnish(path, account)
            except OSError:
                pass  # somebody else's now
        bases = list(dict.fromkeys((tempfile.gettempdir(), *SHARED)))
        for base in bases:
            try:
                path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
            except OSError:
                continue
            socket = path / "socket"
            short = len(os.fsencode(socket / SOCKET)) <= LONGEST_SOCKET_PATH
            if short and _furnish(path, account) and account.can_enter(socket):
                self._write(path)
                return path
            shutil.rmtree(path, ignore_errors=True)
        raise EmbeddedPostgresError(
            f"User {account.name} needs a directory for the database socket and can use none of "
            f"{', '.join(bases)}. Set TMPDIR to a short path that all users may enter, "
            "or set DATABASE_URL."
        )

    def remove(self) -> None:
        """Remove the recorded directory, if it is ours, and the record."""
        path = self._recorded()
        if path is not None:
            shutil.rmtree(path, ignore_errors=True)
        self._record.unlink(missing_ok=True)

    def _recorded(self) -> Path | None:
        try:
            path = Path(self._record.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            return None
        # What is removed later must be of our own naming, whatever the file says.
        return path if path.is_absolute() and path.name.startswith(PREFIX) else None

    def _write(self, path: Path) -> None:
        new = self._record.with_name(self._record.name + ".new")
        new.write_text(f"{path}\n", encoding="utf-8")
        new.replace(self._record)


def _furnish(path: Path, account: Account) -> Path:
    socket = path / "socket"
    socket.mkdir(mode=0o700)
    if account.dropped:
        path.chmod(0o711)
        os.chown(socket, account.uid, account.gid)
    return path


def _is_private(path: Path, account: Account) -> bool:
    try:
        outer, inner = path.lstat(), (path / "socket").lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(outer.st_mode)
        and outer.st_uid in (0, os.geteuid(), account.uid)
        and not outer.st_mode & 0o022
        and stat.S_ISDIR(inner.st_mode)
        and inner.st_uid == account.uid
        and stat.S_IMODE(inner.st_mode) == 0o700
    )
