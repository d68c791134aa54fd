"""What a database must be before it is trusted with clicks: its schema, its encoding, its durability."""

from __future__ import annotations

import psycopg

from service.contract import statements

SCHEMA_HEAD = "0006"
"""The revision of migrations/ that this code is written for; a test holds the two together."""

_SQL = statements.load("service.contract")


class SchemaError(Exception):
    """The database is not at SCHEMA_HEAD; `found` is its revision, None when never migrated."""

    def __init__(self, found: str | None) -> None:
        what = f"at schema revision {found}" if found else "not migrated yet"
        self.found = found
        if self.newer:
            fix = "This code is older than the database: deploy the newer release."
        else:
            fix = "Run: python -m service migrate"
        super().__init__(f"The database is {what}, this code needs {SCHEMA_HEAD}. {fix}")

    @property
    def newer(self) -> bool:
        """Whether the database is ahead of this code."""
        return self.found is not None and self.found > SCHEMA_HEAD


class EncodingError(Exception):
    """The database cannot hold every letter: a click from another language would be refused."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database's encoding is {found}, it must be UTF8. "
            "Make another one from template0, with UTF8 as its encoding."
        )


class DurabilityError(Exception):
    """A commit here would not be on disk when it is acknowledged; `faults` are whole sentences."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(
            "\n".join(faults) + "\nAn acknowledged click could be lost in a crash. "
            "Mend the server, or set ACCEPT_DATA_LOSS=true to accept the loss."
        )
        self.faults = faults


async def schema_check(connection: psycopg.AsyncConnection) -> None:
    """Raise SchemaError unless the database is at SCHEMA_HEAD."""
    try:
        cursor = await connection.execute(_SQL["schema_check"])
    except psycopg.errors.UndefinedTable:
        raise SchemaError(None) from None
    row = await cursor.fetchone()
    found = None if row is None else str(row[0])
    if found != SCHEMA_HEAD:
        raise SchemaError(found)


async def schema_serves(connection: psycopg.AsyncConnection) -> None:
    """Raise SchemaError unless code that runs already may go on with this database.

    It may with a newer one: a release migrates before its code comes, and what that adds leaves
    room for the code that is to go.
    """
    try:
        await schema_check(connection)
    except SchemaError as error:
        if not error.newer:
            raise


async def encoding_check(connection: psycopg.AsyncConnection) -> None:
    """Raise EncodingError unless the database can hold every letter."""
    found = connection.info.parameter_status("server_encoding")
    if found != "UTF8":
        raise EncodingError(str(found))


async def durability_check(connection: psycopg.AsyncConnection, *, as_is: bool = False) -> None:
    """Raise DurabilityError when an acknowledged commit might not survive a crash.

    Settings that our sessions and transactions change for themselves count only `as_is`.
    """
    cursor = await connection.execute(_SQL["durability_check"], {"as_is": as_is})
    faults = [str(fault) for (fault,) in await cursor.fetchall()]
    if faults:
        raise DurabilityError(faults)
