"""Whether a relay makes progress: what its health check tells."""

from __future__ import annotations

from collections.abc import Callable

from service.contract.monitor import Health

STALLED_SECONDS = 30.0
"""Seconds without a look at the outbox, or without a batch although events are due. A look takes
milliseconds and is given up after seconds, and so is each statement of a batch."""


class Progress:
    """Notes what the relay does; `now` is a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._looked: float | None = None
        self._due_since: float | None = None
        self.at = now()
        """When a batch was last moved, or nothing was due."""

    def looked(self, *, due: bool) -> None:
        """The outbox was looked at; `due` when there are events to move."""
        self._looked = self._now()
        if not due:
            self.at = self._looked
            self._due_since = None
        elif self._due_since is None:
            self._due_since = self._looked

    def moved(self) -> None:
        """A batch ended, whatever became of it."""
        self._due_since = None
        if self._looked is not None:
            self._looked = self._now()

    def succeeded(self) -> None:
        """A batch was moved, or was found to be empty."""
        self.at = self._now()

    def disconnected(self) -> None:
        """The database was lost: from now on the relay waits for it."""
        self._looked = self._due_since = None

    def health(self) -> Health:
        """Return what a supervisor should see. A restart helps a relay that is stalled, and none
        that waits for its database.
        """
        now = self._now()
        if self._looked is None:
            return Health("waiting", "The relay waits for the database.")
        if now - self._looked > STALLED_SECONDS:
            seconds = now - self._looked
            return Health("stalled", f"The relay has not looked at the outbox for {seconds:.0f} s.")
        if self._due_since is not None and now - self._due_since > STALLED_SECONDS:
            seconds = now - self._due_since
            return Health("stalled", f"Events are due and none was moved for {seconds:.0f} s.")
        return Health("ok")
