"""Dead letters are replayed, and whoever replays them is killed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from ops.chaos.errors import ChaosError
from ops.chaos.fault import Fault
from ops.chaos.scene import CAP, Scene
from service.contract.events import new_message_id
from tests.support.processes import ENDED_WITHIN, Process, url_of

BURY = """
INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts, error_class,
                          error_message, first_failed_at)
SELECT message_id, link_id, %(at)s,
       jsonb_build_object('message_id', message_id, 'link_id', link_id, 'occurred_at', %(at)s::timestamptz,
                          'referrer', NULL, 'user_agent', 'redriven'),
       %(attempts)s, 'Drill', 'mended since', %(at)s
FROM unnest(%(ids)s::uuid[], %(links)s::bigint[]) AS letter (message_id, link_id)
"""

LETTERS = "SELECT count(*) FROM dead_letters"

RATE = 4000
"""Letters a second of the replay that is killed: a quarter of them to a batch."""


class RedriveKilled(Fault):
    """Kill -9 in the middle of a replay of letters whose cause is mended; then two at once."""

    name = "redrive killed"

    def __init__(self, scene: Scene, *, letters: int) -> None:
        super().__init__(scene)
        self.letters = letters

    async def inject(self) -> None:
        ids = [new_message_id() for _ in range(self.letters)]
        links = [self.scene.chance.choice(self.scene.link_ids) for _ in ids]
        self.scene.seeded.update(dict.fromkeys(ids, "counted"))
        values = {"ids": ids, "links": links, "attempts": CAP, "at": datetime.now(UTC)}
        await self.scene.execute(BURY, values)
        redrive = self._replay("--rate", str(RATE))
        while redrive.code is None:
            if await self._left() < self.letters:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(self.scene.chance.uniform(0, self.letters / RATE))
        redrive.kill()

    async def heal(self) -> None:
        for redrive in [self._replay(), self._replay()]:
            ended = await asyncio.to_thread(redrive.wait, ENDED_WITHIN)
            if ended.code != 0:
                raise ChaosError(f"A replay ended with {ended.code}: {redrive.stderr}")
        if left := await self._left():
            raise ChaosError(f"{left} dead letters are left by the replays.")

    def _replay(self, *options: str) -> Process:
        argv = ("relay", "dead-letters", "replay", "--all", *options)
        env = {"DATABASE_URL": url_of(self.scene.database)}
        return self.scene.processes.start(*argv, env=env)

    async def _left(self) -> int:
        return int(str((await self.scene.execute(LETTERS))[0][0]))
