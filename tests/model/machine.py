"""A machine that does to the pipeline whatever may be done to it, in any order, and looks each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from relay.store.dead_letters import Choice
from service.contract.events import Click, MessageId
from service.contract.outbox import Visit
from tests.model.ledger import Issued, Ledger, hour
from tests.model.pipeline import TRIGGER, Pipeline
from tests.support.clones import Template

CODES = ("a", "b", "c")

KINDS = ("plain", "plain", "plain", "poison", "killer", "HEAD")

POINTS = (
    "before the claim",
    "after the claim",
    "before COMMIT",
    "before COMMIT's answer",
    "after COMMIT",
)

requests = st.lists(
    st.tuples(st.sampled_from((*CODES, "unknown")), st.sampled_from(KINDS)), min_size=1, max_size=5
)
losses = st.sampled_from((None, None, None, "before", "after"))
relays = st.integers(0, 1)
choices = st.sampled_from((None, *CODES))


def instants(now: datetime) -> list[datetime]:
    """Times of clicks: in this hour, and around the ends of months with and without a partition."""
    found = [now]
    for months in (-14, -1, 0, 1, 5):
        year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
        starts = datetime(year, month + 1, 1, tzinfo=UTC)
        found += [starts - timedelta(milliseconds=1), starts]
    return found


@dataclass
class Sent:
    """Visits whose client still waits for its answer: they will be sent again, or given up."""

    visits: list[Visit]


class Machine(RuleBasedStateMachine):
    """Rules are what may happen; the invariant is what must be true after each."""

    def __init__(self, template: Template, runner: asyncio.Runner) -> None:
        super().__init__()
        self._clone = template.clone()
        self.pipeline = Pipeline(self._clone.__enter__(), runner)
        self.ledger = Ledger()
        self.unanswered: list[Sent] = []
        self.refusing: set[str | None] = set()
        self.made = 0
        self.sound = True
        self.instants = instants(datetime.now(UTC))
        self.clock(0)
        self.toggle()
        for code in CODES:
            self.ledger.links[code] = self.pipeline.link(code)

    # What visitors do.

    def visit(self, code: str, kind: str) -> Visit:
        """Somebody asks for a code; unless by HEAD, with a click that is new."""
        if kind == "HEAD":
            return Visit(code, None)
        self.made += 1
        milliseconds = int(self.now.timestamp() * 1000)
        message_id = MessageId(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | self.made))
        issued = Issued(f"visit {self.made}", None if kind == "plain" else kind)
        self.ledger.issued[message_id] = issued
        return Visit(code, Click(message_id, issued.marker, issued.agent))

    @rule(asked=requests, lost=losses)
    def click(self, asked: list[tuple[str, str]], lost: str | None) -> None:
        """One request, or several at once; perhaps the connection is lost over them."""
        self.send(Sent([self.visit(code, kind) for code, kind in asked]), lost)

    @initialize(asked=requests, lost=losses)
    def clicks_before(self, asked: list[tuple[str, str]], lost: str | None) -> None:
        """There are always some."""
        self.click(asked, lost)

    @rule(asked=requests, number=relays)
    def race(self, asked: list[tuple[str, str]], number: int) -> None:
        """A COMMIT's answer is lost, and a relay is quicker than the next try."""
        self.click(asked, "after")
        self.work(number)
        self.retry(-1, None)

    @precondition(lambda self: self.unanswered)
    @rule(number=st.integers(0, 100), lost=losses)
    def retry(self, number: int, lost: str | None) -> None:
        """What got no answer is sent again, with the same ids, whatever happened meanwhile."""
        self.send(self.unanswered.pop(number % len(self.unanswered)), lost)

    def send(self, sent: Sent, lost: str | None) -> None:
        """Let the service record visits; the ledger follows when it is committed."""
        answered = self.pipeline.run(self.pipeline.record(sent.visits, lost))
        assert answered == (lost is None)
        self.note(sent, lost)

    def note(self, sent: Sent, lost: str | None) -> None:
        """Write down what a try to record these visits has come to."""
        if lost is not None:
            self.unanswered.append(sent)
        if lost != "before":
            for visit in sent.visits:
                if visit.click is not None:
                    self.ledger.recorded(visit.click.message_id, visit.code, self.now)

    @rule(number=st.integers(0, 100))
    def clock(self, number: int) -> None:
        """Clicks happen in another hour or another month from now on."""
        self.now = self.instants[number % len(self.instants)]
        self.pipeline.execute(
            f"ALTER TABLE outbox ALTER occurred_at SET DEFAULT '{self.now.isoformat()}'"
        )

    # What relays do.

    @rule(number=relays)
    def step(self, number: int) -> None:
        """One batch."""
        self.pipeline.run(self.pipeline.relays[number].move())
        self.moved()

    @rule(number=relays)
    def work(self, number: int) -> None:
        """A relay starts and goes on until nothing is due."""
        relay = self.pipeline.relays[number]
        relay.restart()
        for _ in range(500):
            if not self.pipeline.run(relay.move()):
                break
        self.ledger.passed(self.pipeline.state(), self.refusing)

    @rule(number=relays, point=st.sampled_from(POINTS), forgets=st.booleans())
    def crash(self, number: int, point: str, forgets: bool) -> None:
        """A relay's process ends in the middle of a batch, or its connection alone."""
        relay = self.pipeline.relays[number]
        self.pipeline.run(self.pipeline.crash(relay, point))
        if point in {"before the claim", "before COMMIT"}:
            assert self.ledger.state == self.pipeline.state(), "half a batch was left"
        # A mover that has had its answer cannot go on as if the batch was rolled back.
        if forgets or point == "before COMMIT":
            relay.restart()
        self.moved()

    @rule(number=relays, falls=st.booleans(), again=st.booleans())
    def meet(self, number: int, falls: bool, again: bool) -> None:
        """Two relays at once; perhaps a click that one of them just moves is sent again."""
        first, second = self.pipeline.relays[number], self.pipeline.relays[1 - number]
        sent = self.unanswered.pop() if again and self.unanswered else None
        visits = sent.visits if sent else []
        done = self.pipeline.run(self.pipeline.meet(first, second, visits, falls=falls))
        if falls:
            first.restart()
        if sent is not None:
            self.note(sent, None if done else "before")
        self.moved([visit.click.message_id for visit in sent.visits if visit.click] if sent else [])

    def moved(self, again: Iterable[MessageId] = ()) -> None:
        """Compare what relays have done with what they may do."""
        self.ledger.moved(self.pipeline.state(), self.refusing, frozenset(again))

    @rule()
    def toggle(self) -> None:
        """Postgres refuses some clicks and is killed by others, or that is mended."""
        self.refusing = set() if self.refusing else {"poison", "killer"}
        self.pipeline.execute(TRIGGER if self.refusing else "DROP TRIGGER refuse ON clicks")

    @rule()
    def due(self) -> None:
        """The backoff is over."""
        self.pipeline.execute(
            "UPDATE outbox SET available_at = now() - interval '1 s' WHERE available_at > now()"
        )
        self.ledger.made_due()

    # What operators and owners do.

    @rule(code=choices)
    def replay(self, code: str | None) -> None:
        """Dead letters go back, all or those of a link; the second time there are none."""
        self.way_out(code, self.pipeline.replay, self.ledger.replayed)

    @rule(code=choices)
    def discard(self, code: str | None) -> None:
        """Dead letters are given up, all or those of a link; the second time there are none."""
        self.way_out(code, self.pipeline.discard, self.ledger.discard)

    def way_out(
        self, code: str | None, do: Callable[[Choice], int], told: Callable[[set[MessageId]], None]
    ) -> None:
        """Do something to the letters of a link, twice."""
        chosen = self.ledger.letters(code)
        assert len(chosen) == do(Choice(code=code))
        told(chosen)
        assert 0 == do(Choice(code=code))

    @rule(code=st.sampled_from(CODES))
    def delete(self, code: str) -> None:
        """A link is deleted; or its code is given to a new one."""
        if code in self.ledger.links:
            self.pipeline.delete(self.ledger.delete(code))
        else:
            self.ledger.links[code] = self.pipeline.link(code)

    @rule(aged=st.booleans())
    def purge(self, aged: bool) -> None:
        """What deleted links left behind is removed, soon or a minute later."""
        if aged:
            self.pipeline.execute("UPDATE deleted_links SET deleted_at = now() - interval '61 s'")
            for note in self.ledger.deletions.values():
                note.aged = True
        self.pipeline.purge()
        self.ledger.purge()

    @rule()
    def make_partitions(self) -> None:
        """The months around now get their partitions, and their strays with them."""
        self.pipeline.make_partitions()

    @rule(number=st.integers(0, 100))
    def make_partition(self, number: int) -> None:
        """One month gets its partition, late."""
        month = self.instants[number % len(self.instants)]
        self.pipeline.execute("SELECT clicks_partition_make(%s)", month)

    @rule()
    def rebuild(self) -> None:
        """A rebuild finds nothing to mend."""
        assert 0 == self.pipeline.rebuild(), "rollups are not the clicks"

    # What must be true.

    @invariant()
    def holds(self) -> None:
        """The tables are what the ledger says, every row is a click's own, rollups are the clicks."""
        self.sound = False
        assert self.ledger.state == self.pipeline.state(), "the tables are not as they must be"
        self.ledger.check()
        hours = {}
        for message_id, marker, agent, at in self.pipeline.contents():
            issued = self.ledger.issued[message_id]
            assert (issued.marker, issued.agent) == (marker, agent)
            assert at in issued.instants
            hours[message_id] = hour(at)
        assert self.ledger.rollups(hours) == self.pipeline.rollups(), "rollups are not the clicks"
        assert [] == self.pipeline.differences(), "verify sees what is not there"
        self.sound = True

    def teardown(self) -> None:
        """In the end, with everything mended, every click is counted that nobody has given up."""
        try:
            if self.sound:
                self.end()
        finally:
            self.pipeline.close()
            self._clone.__exit__(None, None, None)

    def end(self) -> None:
        """Mend, and let the pipeline come to rest."""
        if self.refusing:
            self.toggle()
        self.replay(None)
        self.due()
        self.work(0)
        self.purge(aged=True)
        self.holds()
        assert {} == self.ledger.state.outbox
        assert {} == self.ledger.state.dead


def run(template: Template, runner: asyncio.Runner, how: settings) -> None:
    """Run machines, each on a database of its own; raises the error of the first that is wrong."""

    def machine() -> Machine:
        return Machine(template, runner)

    # The library calls it without arguments, as it would a class.
    run_state_machine_as_test(machine, settings=how)  # type: ignore[arg-type]
