"""What holds vacuum back without a session: a slot nobody reads, a transaction nobody ends."""

from __future__ import annotations

from ops.chaos.fault import Fault


class Prepared(Fault):
    """PREPARE TRANSACTION, and whoever did it is gone."""

    name = "prepared transaction left behind"

    async def inject(self) -> None:
        async with await self.scene.database.aconnect("everyclick-orphan") as connection:
            await connection.execute("BEGIN")
            await connection.execute("INSERT INTO deleted_links VALUES (0)")
            await connection.execute("PREPARE TRANSACTION 'orphan'")

    async def heal(self) -> None:
        await self.scene.execute("ROLLBACK PREPARED 'orphan'")


class Slot(Fault):
    """A logical replication slot that nobody reads any more."""

    name = "replication slot left behind"

    async def inject(self) -> None:
        await self.scene.execute("SELECT pg_create_logical_replication_slot('orphan', 'pgoutput')")

    async def heal(self) -> None:
        await self.scene.execute("SELECT pg_drop_replication_slot('orphan')")
