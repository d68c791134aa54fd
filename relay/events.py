"""An event as the relay claims it."""

from __future__ import annotations

from dataclasses import dataclass

from relay.frontier import Place
from service.contract.events import LinkId, MessageId


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """A claimed row of the outbox; `attempts` handlings of it have failed.

    `due_at` is text as Postgres writes it. The rest stays in Postgres: what Python does not read, no bad value can break it with.
    """

    message_id: MessageId
    link_id: LinkId
    attempts: int
    due_at: str
    id: int

    @property
    def place(self) -> Place:
        """Where it stands in the index of the outbox."""
        return Place(self.due_at, self.id)

    @property
    def behind(self) -> Place:
        """The place right behind it."""
        return Place(self.due_at, self.id + 1)
