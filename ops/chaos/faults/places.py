"""What some grounds alone can suffer: a full disk, a failover, a pooler that dies."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ops.chaos.errors import ChaosError
from ops.chaos.fault import Fault
from ops.chaos.scene import Scene
from tests.support.bouncer import Bouncer

BLOCK = b"\0" * 2**16

CANCEL_WAITS = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
END_WAITS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


class DiskFull(Fault):
    """The disk that Postgres has everything on is filled to the last byte."""

    name = "disk full"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        if scene.standing.directory is None:
            raise ChaosError("The scene stands on no small disk.")
        self._filler: Path = scene.standing.directory / "filler"
        self._filling: asyncio.Task[None] | None = None

    async def inject(self) -> None:
        self._filling = asyncio.create_task(self._fill())

    async def heal(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        self._filler.unlink(missing_ok=True)
        # It may have given up: with no room for the log there is no recovery either.
        await asyncio.to_thread(self.scene.cluster.start)

    async def _fill(self) -> None:
        """Take what is free, and what becomes free."""
        with self._filler.open("ab", buffering=0) as file:
            while True:
                try:
                    os.write(file.fileno(), BLOCK)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    await asyncio.sleep(0.05)


class LogFull(Fault):
    """The disk that service and relay log to is full, and stays so."""

    name = "disk of the log full"

    async def inject(self) -> None:
        if self.scene.standing.logs is None:
            raise ChaosError("The scene logs to no small disk.")
        with (self.scene.standing.logs / "filler").open("ab", buffering=0) as file:
            for size in (len(BLOCK), 1):
                with suppress(OSError):
                    while True:
                        os.write(file.fileno(), BLOCK[:size])

    async def heal(self) -> None:
        if self.scene.standing.logs is not None:
            (self.scene.standing.logs / "filler").unlink(missing_ok=True)


class LogReaderStalled(Fault):
    """The logs are not read any more; then they are."""

    name = "log reader stalled"

    async def inject(self) -> None:
        for reader in self.scene.log_readers:
            await asyncio.to_thread(reader.pause)

    async def heal(self) -> None:
        for reader in self.scene.log_readers:
            reader.resume()


class Failover(Fault):
    """The primary dies, its synchronous standby is promoted, the ways lead there. Once."""

    name = "failover to the standby"

    async def inject(self) -> None:
        scene = self.scene
        await asyncio.to_thread(scene.cluster.stop, "killed")

    async def heal(self) -> None:
        scene = self.scene
        standby = scene.standing.standby
        if standby is None:
            raise ChaosError("The scene has no standby.")
        await asyncio.to_thread(standby.promote)
        scene.standing.cluster = standby
        scene.database = replace(scene.database, conninfo=standby.conninfo)
        for way in scene.ways.values():
            way.lead_to(standby.database)
            way.reset()


class StandbySilent(Failover):
    """The synchronous standby falls silent, waits for it are ended; it is promoted. Once."""

    name = "silent standby promoted"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._disturbing: asyncio.Task[None] | None = None

    async def inject(self) -> None:
        if self.scene.standing.standby is None:
            raise ChaosError("The scene has no standby.")
        self.scene.standing.standby.freeze()
        self._disturbing = asyncio.create_task(self._disturb())

    async def heal(self) -> None:
        if self._disturbing is not None:
            self._disturbing.cancel()
            await asyncio.gather(self._disturbing, return_exceptions=True)
        await asyncio.to_thread(self.scene.cluster.stop, "killed")
        if self.scene.standing.standby is not None:
            await asyncio.to_thread(self.scene.standing.standby.cut_off)
        await super().heal()

    async def _disturb(self) -> None:
        while True:
            for statement in (CANCEL_WAITS, END_WAITS):
                await asyncio.sleep(0.2)
                await self.scene.execute(statement)


class BouncerKilled(Fault):
    """Kill -9 of PgBouncer, and all connections with it; started again when healed."""

    name = "PgBouncer killed"

    @property
    def bouncer(self) -> Bouncer:
        """The one between."""
        if self.scene.standing.bouncer is None:
            raise ChaosError("The scene has no PgBouncer.")
        return self.scene.standing.bouncer

    async def inject(self) -> None:
        self.bouncer.end()

    async def heal(self) -> None:
        await asyncio.to_thread(self.bouncer.start)
