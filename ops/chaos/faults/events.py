"""Events that cannot be counted, that end their worker, or that come all at once."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from ops.chaos.fault import Fault
from ops.chaos.scene import Scene
from service.contract.events import new_message_id
from tests.oracle.checks import Fate

MARK = "poison"
"""Begins the user agent of an event that the trigger below looks at."""

TRIGGER = """
CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE split_part(NEW.user_agent, ' ', 2)
        WHEN 'raises' THEN RAISE EXCEPTION 'poisoned' USING ERRCODE = '22023';
        WHEN 'kills' THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
            PERFORM pg_sleep(1);
        WHEN 'sleeps' THEN PERFORM pg_sleep(0.5);
    END CASE;
    RETURN NEW;
END $$;
CREATE TRIGGER poison BEFORE INSERT ON clicks FOR EACH ROW
    WHEN (starts_with(NEW.user_agent, 'poison ')) EXECUTE FUNCTION poison()
"""

SEED = """
INSERT INTO outbox (message_id, link_id, occurred_at, user_agent)
SELECT event.message_id, event.link_id, event.occurred_at::timestamptz, event.user_agent
FROM unnest(%(ids)s::uuid[], %(links)s::bigint[], %(times)s::text[], %(agents)s::text[])
    AS event (message_id, link_id, occurred_at, user_agent)
"""


class Seeded(Fault):
    """Puts events into the outbox by hand, as no service would; the oracle knows their fate."""

    fate: Fate = "counted"

    def __init__(self, scene: Scene, *, number: int = 1) -> None:
        super().__init__(scene)
        self.number = number

    @property
    def struck(self) -> int:
        return self.times * self.number

    async def seed(self, number: int, fate: Fate, agent: str, at: str | None = None) -> None:
        """Put so many events there, over all links in a random order."""
        ids: list[UUID] = [new_message_id() for _ in range(number)]
        links = [self.scene.chance.choice(self.scene.link_ids) for _ in ids]
        at = at or datetime.now(UTC).isoformat()
        # Noted first: an answer that is lost must not make them strangers to the oracle.
        self.scene.seeded.update(dict.fromkeys(ids, fate))
        await self.scene.execute(
            SEED,
            {
                "ids": ids,
                "links": links,
                "times": [at] * number,
                "agents": [agent] * number,
            },
        )


class FarFuture(Seeded):
    """Events of the year 99999, which no click may have: dead letters after the cap."""

    name = "event of the year 99999"

    async def inject(self) -> None:
        await self.seed(self.number, "dead", "far", "99999-01-01 00:00:00+00")


class Poison(Seeded):
    """Events whose insertion as a click raises, ends its backend, or takes half a second."""

    FATES: dict[str, Fate] = {"raises": "dead", "kills": "dead", "sleeps": "counted"}  # noqa: RUF012

    def __init__(self, scene: Scene, *, what: str, number: int = 1) -> None:
        super().__init__(scene, number=number)
        self.what = what
        self.name = f"event that {what}"

    async def prepare(self) -> None:
        rows = await self.scene.execute("SELECT to_regproc('poison') IS NULL")
        if rows == [(True,)]:
            await self.scene.execute(TRIGGER)

    async def inject(self) -> None:
        await self.seed(self.number, self.FATES[self.what], f"{MARK} {self.what}")


class Flood(Seeded):
    """Good events, all at once: the relays meet on the same hours of the same links."""

    name = "flood of events on a few links"

    @property
    def struck(self) -> int:
        return self.times

    async def inject(self) -> None:
        await self.seed(self.number, "counted", "flood")


GARBAGE = """
INSERT INTO pgqueuer (priority, entrypoint, status, payload, headers)
VALUES (0, 'move_clicks', 'queued', '\\xff00fe0a', NULL),
       (0, 'move_clicks', 'queued', NULL, '["no object"]'),
       (0, 'nobody_knows', 'queued', '\\xff00', '"nor this"')
"""


class Garbage(Fault):
    """Jobs that PgQueuer can make nothing of: bytes, headers of another shape, an unknown name."""

    name = "jobs of garbage"

    async def inject(self) -> None:
        await self.scene.execute(GARBAGE)
