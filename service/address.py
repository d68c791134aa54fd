"""Where the running service is reached, for commands in other terminals.

A service on the embedded Postgres records its addresses in DATA_DIR while it runs. A command that is told no
address of its own uses them, so that `link add` prints an address that serves. With a Postgres of the
operator's own nothing is recorded: there BASE_URL is set for both.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from service.contract.embedded.locks import open_private
from service.contract.postgres import Database, is_embedded
from service.settings import ServiceSettings

FILE = "address.json"

_TOLD = {"host", "port", "base_url"}
"""With one of these a command has an address of its own."""


@contextmanager
def recorded(settings: ServiceSettings, database: Database) -> Iterator[None]:
    """Record the service's addresses while inside. Of several services the last one is recorded."""
    if database.kind != "embedded" or (settings.port == 0 and settings.base_url is None):
        yield
        return
    with os.fdopen(open_private(settings.data_dir / FILE), "w") as file:
        # Held as long as the process lives: a file that nobody holds is out of date.
        fcntl.flock(file, fcntl.LOCK_SH)
        file.truncate(0)
        json.dump({"base_url": settings.public_url, "short_url": settings.link_url}, file)
        file.flush()
        yield


def serving(settings: ServiceSettings) -> ServiceSettings:
    """Return the settings with the addresses of the service that runs, if there is one."""
    if not is_embedded(settings) or settings.model_fields_set & _TOLD:
        return settings
    told = _record(settings)
    if settings.short_url is not None:
        told["short_url"] = settings.short_url
    return settings.model_copy(update=told)


def _record(settings: ServiceSettings) -> dict[str, str]:
    """Return the addresses of the service that runs; nothing when none does."""
    try:
        with (settings.data_dir / FILE).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                told = json.load(file)
                return {name: str(told[name]) for name in ("base_url", "short_url")}
    except (OSError, ValueError, TypeError, KeyError):
        pass  # no record, or none that can be read
    return {}
