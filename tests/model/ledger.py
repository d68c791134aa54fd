"""What must be where: the pipeline in plain Python, without SQL, batches or locks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from service.contract.events import LinkId, MessageId

CAP = 3
"""Handlings of an event before it is a dead letter."""


@dataclass(frozen=True)
class Row:
    """An event in the outbox."""

    link: LinkId
    attempts: int = 0
    due: bool = True


@dataclass
class State:
    """What stands in the tables. `dead` holds the link and the attempts of each letter."""

    outbox: dict[MessageId, Row] = field(default_factory=dict)
    clicks: dict[MessageId, LinkId] = field(default_factory=dict)
    dead: dict[MessageId, tuple[LinkId, int]] = field(default_factory=dict)

    def copy(self) -> State:
        return State(dict(self.outbox), dict(self.clicks), dict(self.dead))


@dataclass
class Issued:
    """A click that a client has made: what each row about it must say.

    A try that is repeated after its link was deleted and its code given away again is recorded for
    the new link: then there are two `links`, and the click may go with either.
    """

    marker: str
    agent: str | None
    links: set[LinkId] = field(default_factory=set)
    instants: set[datetime] = field(default_factory=set)


@dataclass
class Deletion:
    """A deleted link, as its note says."""

    purged: bool = False
    aged: bool = False


class Ledger:
    """Follows every click; `state` is what the tables must hold after each step."""

    def __init__(self) -> None:
        self.state = State()
        self.issued: dict[MessageId, Issued] = {}
        self.links: dict[str, LinkId] = {}
        self.deletions: dict[LinkId, Deletion] = {}
        self.gone: set[LinkId] = set()
        self.discarded: set[MessageId] = set()
        self.repeated: set[MessageId] = set()
        """Clicks that came a second time: only these may stand in two places, until the next move."""

    def recorded(self, message_id: MessageId, code: str, at: datetime) -> None:
        """A try to record a click has been committed, whether its answer arrived or not."""
        issued = self.issued[message_id]
        link = self.links.get(code)
        if link is None or message_id in self.state.outbox:
            return
        if issued.links:
            self.repeated.add(message_id)
        issued.links.add(link)
        issued.instants.add(at)
        self.state.outbox[message_id] = Row(link)

    def moved(
        self, after: State, refused: set[str | None], again: frozenset[MessageId] = frozenset()
    ) -> None:
        """Relays were at work; each event must have taken a way that is open to it.

        `refused` are the user agents that Postgres does not let in now. `again` are clicks that were
        sent again meanwhile: one of them may have been moved, and be in the outbox once more.
        """
        expected = self.state.copy()
        for message_id, row in self.state.outbox.items():
            agent = self.issued[message_id].agent
            new = after.outbox.get(message_id)
            if new is not None:
                expected.outbox[message_id] = new
                twice = message_id in after.clicks or message_id in after.dead
                if message_id not in again or not twice:
                    # Untouched, or one attempt for each time it was handled.
                    assert new.link == row.link
                    assert row.attempts <= new.attempts < CAP
                    assert new.attempts > row.attempts or new.due == row.due
                    continue
                self.repeated.add(message_id)
            else:
                del expected.outbox[message_id]
            if row.link in self.gone or message_id in self.state.clicks:
                continue
            if message_id in after.clicks:
                assert agent not in refused, f"{message_id} is in although it was refused"
                expected.clicks[message_id] = row.link
                expected.dead.pop(message_id, None)
            elif message_id not in expected.dead:
                assert message_id in after.dead, f"{message_id} is lost"
                expected.dead[message_id] = (row.link, CAP)
        assert expected == after, "the tables are not as they must be"
        self.state = after

    def passed(self, after: State, refused: set[str | None]) -> None:
        """A relay has gone on until nothing was due: what can land has landed."""
        self.moved(after, refused)
        left = {message_id for message_id, row in after.outbox.items() if row.due}
        assert set() == left, "due and not moved"

    def made_due(self) -> None:
        """The backoff of every event is over."""
        for message_id, row in self.state.outbox.items():
            self.state.outbox[message_id] = replace(row, due=True)

    def replayed(self, chosen: set[MessageId]) -> None:
        """Dead letters have gone back to the outbox, without attempts."""
        for message_id in chosen:
            link, _ = self.state.dead.pop(message_id)
            self.state.outbox.setdefault(message_id, Row(link))

    def discard(self, chosen: set[MessageId]) -> None:
        """Dead letters have been given up."""
        for message_id in chosen:
            del self.state.dead[message_id]
            self.discarded.add(message_id)

    def delete(self, code: str) -> LinkId:
        """A link has been deleted; what it leaves behind is purged later."""
        link = self.links.pop(code)
        self.gone.add(link)
        self.deletions[link] = Deletion()
        return link

    def purge(self) -> None:
        """What deleted links have left behind is gone, for the first time or the second."""
        waiting = [link for link, note in self.deletions.items() if not note.purged or note.aged]
        state = self.state
        for link in waiting:
            state.outbox = {key: row for key, row in state.outbox.items() if row.link != link}
            state.clicks = {key: of for key, of in state.clicks.items() if of != link}
            state.dead = {key: row for key, row in state.dead.items() if row[0] != link}
            if self.deletions[link].purged:
                del self.deletions[link]
            else:
                self.deletions[link].purged = True

    def letters(self, code: str | None) -> set[MessageId]:
        """The dead letters of the link behind a code, or all of them."""
        link = None if code is None else self.links.get(code)
        return {key for key, (of, _) in self.state.dead.items() if code is None or of == link}

    def check(self) -> None:
        """No click is lost, none stands in two places without having come twice.

        Lost would be a click that was committed; those whose 302 went out are among them.
        """
        outbox, clicks, dead = (set(each) for each in vars(self.state).values())
        assert set() == clicks & dead, "counted and dead"
        assert outbox & (clicks | dead) <= self.repeated, "in two places"
        assert outbox | clicks | dead <= set(self.issued), "nobody has made these"
        for message_id, issued in self.issued.items():
            if issued.links and message_id not in outbox | clicks | dead:
                excused = issued.links & self.gone or message_id in self.discarded
                assert excused, f"{message_id} was committed and is lost"
        assert all(attempts == CAP for _, attempts in self.state.dead.values()), "beyond the cap"

    def rollups(self, hours: dict[MessageId, datetime]) -> Counter[tuple[LinkId, datetime]]:
        """What the rollups must say, given the hour each click says of itself."""
        return Counter((link, hours[key]) for key, link in self.state.clicks.items())


def hour(at: datetime) -> datetime:
    """The start of an instant's UTC hour."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
