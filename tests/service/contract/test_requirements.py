"""What the code needs of a database beyond a revision's number."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

import migrations
from relay.runner import NEEDED as RELAY
from service.contract.fitness import DurabilityError, SchemaError
from service.contract.gate import gate, vet
from service.contract.observations import DatabaseReady, DatabaseRefused, Observation
from service.contract.postgres import Database
from service.contract.requirements import (
    RequirementError,
    catalog_state,
    migrating,
    requirements_check,
    schema_owner,
    worded,
)
from service.contract.settings import Settings
from service.readiness import NEEDED as SERVICE
from service.readiness import Readiness
from tests.support.clones import Template
from tests.support.ledger import until

NEEDED = {"service": SERVICE, "relay": RELAY}


@pytest.mark.parametrize("process", NEEDED)
async def test_a_new_database_has_it_all(db: AsyncConnection, process: str) -> None:
    """Every named statement could run on a database that was just made."""
    await requirements_check(db, NEEDED[process])


@pytest.mark.parametrize(
    "process, taken, said",
    [
        ("relay", "DROP FUNCTION clicks_move_each", "function clicks_move_each"),
        ("relay", "ALTER TABLE outbox DROP last_error", 'column "last_error"'),
        ("relay", "DROP TABLE dead_letter_action_events", '"dead_letter_action_events" does not'),
        ("service", "ALTER TABLE links DROP redirect_code", 'column "redirect_code" does not'),
        ("service", "DROP TABLE allowances", 'relation "allowances" does not exist'),
        # The columns that a function returns are part of it.
        (
            "relay",
            (
                "DROP FUNCTION clicks_move_each; CREATE FUNCTION clicks_move_each(message_ids uuid[])"
                " RETURNS TABLE (message_id uuid, outcome text, code text, error text)"
                " LANGUAGE sql AS 'SELECT NULL::uuid, NULL, NULL, NULL'"
            ),
            'column "traits" does not exist',
        ),
    ],
)
async def test_what_is_missing_is_named(
    db: AsyncConnection, process: str, taken: str, said: str
) -> None:
    """A table, column or function that a statement names is missed, and the error says which."""
    await db.execute(taken.encode())
    with pytest.raises(RequirementError) as raised:
        await requirements_check(db, NEEDED[process])
    assert said in str(raised.value)
    assert "python -m service migrate" in str(raised.value)


@pytest.fixture
def restricted(database: Database) -> Iterator[Database]:
    """The database for a role of its own that may do nothing."""
    role = f"everyclick_test_{uuid4().hex[:8]}"
    with database.connect() as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        try:
            conninfo = make_conninfo(database.conninfo, user=role)
            yield Database("url", conninfo, role, "psql")
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


async def test_the_grant_is_named(restricted: Database, db: AsyncConnection) -> None:
    """What the error says to run is enough: after it there is nothing left to complain about."""
    role = restricted.where
    with pytest.raises(RequirementError, match=f'Role "{role}": permission denied for table'):
        await gate(restricted, Settings(), lambda _: None, needed=RELAY)
    await db.execute(f'GRANT SELECT ON alembic_version TO "{role}"'.encode())
    async with await restricted.aconnect() as connection:
        with pytest.raises(RequirementError) as raised:
            await requirements_check(connection, RELAY)
        assert any(
            "GRANT EXECUTE ON FUNCTION clicks_partition_make" in each
            for each in raised.value.faults
        )
        for fault in raised.value.faults:
            grant = fault.split("run: ")[1].split(";")[0]
            assert grant.startswith("GRANT "), fault
            await db.execute(grant.encode())
        await requirements_check(connection, RELAY)


async def test_a_new_process_refuses(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """A database at our revision that lacks a function is refused before any work."""
    await db.execute("DROP FUNCTION clicks_move_each")
    with pytest.raises(RequirementError, match="clicks_move_each"):
        await gate(database, Settings(), observed.append, needed=RELAY)
    assert [] == observed


async def test_a_process_at_work_waits(
    db: AsyncConnection, database: Database, observed: list[Observation]
) -> None:
    """What has passed once says what is missing, once, and goes on when it is there again."""
    await db.execute("ALTER TABLE outbox RENAME TO elsewhere")
    waiting = asyncio.create_task(
        gate(database, Settings(), observed.append, needed=RELAY, again=True)
    )

    async def refused() -> bool:
        return observed != []

    await until(refused)
    await db.execute("ALTER TABLE elsewhere RENAME TO outbox")
    await waiting
    first, last = observed
    assert isinstance(first, DatabaseRefused)
    assert '"outbox" does not exist' in first.error
    assert isinstance(last, DatabaseReady)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE links ADD more text",
        "ALTER TABLE links DROP title",
        (
            "CREATE OR REPLACE FUNCTION uuidv7_floor(at timestamptz) RETURNS uuid LANGUAGE sql"
            " RETURN gen_random_uuid()"
        ),
        "REVOKE ALL ON links FROM current_user",
        "GRANT SELECT (id) ON links TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION error_shape FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "DROP TABLE allowances",
    ],
)
async def test_the_state_tells_of_every_change(db: AsyncConnection, change: str) -> None:
    """Tables, columns, functions and privileges: whatever changes, the digest does."""
    before = await catalog_state(db)
    assert before == await catalog_state(db)
    await db.execute("INSERT INTO links (code, target) VALUES ('a', 'https://example.com/')")
    await db.execute("ANALYZE links")
    assert before == await catalog_state(db)
    await db.execute(change.encode())
    assert before != await catalog_state(db)


async def schemas(db: AsyncConnection, database: Database, path: str) -> Database:
    """The database, with empty schemas besides and this search_path."""
    await db.execute('CREATE SCHEMA "Every-Click"; CREATE SCHEMA first')
    conninfo = make_conninfo(database.conninfo, options=f"-c search_path={path}")
    return replace(database, conninfo=conninfo)


async def test_a_schema_whose_name_needs_quotes(db: AsyncConnection, database: Database) -> None:
    """It is migrated into and used like any other."""
    quoted = await schemas(db, database, '"Every-Click"')
    await asyncio.to_thread(migrations.upgrade, quoted.connect)
    await gate(quoted, Settings(), lambda _: None, needed=SERVICE)
    await Readiness(quoted).probe()


async def test_tables_in_a_later_schema(db: AsyncConnection, database: Database) -> None:
    """What is changed there is seen, and a table that a crash would empty is refused; one that
    another hides is not looked at.
    """
    later = await schemas(db, database, 'first,public,"Every-Click"')
    await db.execute('CREATE UNLOGGED TABLE "Every-Click".outbox ()')
    async with await later.aconnect() as connection:
        await vet(connection, Settings())
        before = await catalog_state(connection)
        await db.execute("ALTER TABLE links ADD more text")
        assert before != await catalog_state(connection)
        await db.execute("ALTER TABLE outbox SET UNLOGGED")
        with pytest.raises(DurabilityError, match="outbox is unlogged"):
            await vet(connection, Settings())


def test_an_older_release_does_not_migrate(database: Database) -> None:
    """A database of a newer release is left alone, and the error says what to deploy."""
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with (
        pytest.raises(SchemaError, match="deploy the newer release"),
        migrating(database, migrations.current),
    ):
        migrations.upgrade(database.connect)


def test_migrating_without_the_right(restricted: Database, template: Template) -> None:
    """Without CREATE on the schema, and as somebody who owns nothing: role, object and fix are named."""
    role = restricted.where
    with pytest.raises(RequirementError) as raised, migrating(restricted, migrations.current):
        migrations.upgrade(restricted.connect)
    assert f'Role "{role}": permission denied for table alembic_version.' in str(raised.value)
    # A grant would not do: the tables are another role's.
    assert "GRANT" not in str(raised.value)
    with restricted.connect() as connection:
        assert f'belong to "{schema_owner(connection)}": migrate as it.' in str(raised.value)
    with template.empty() as empty, empty.connect() as admin:
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        theirs = Database("url", make_conninfo(empty.conninfo, user=role), role, "psql")
        with pytest.raises(RequirementError) as raised, migrating(theirs, migrations.current):
            migrations.upgrade(theirs.connect)
        grant = f'GRANT CREATE, USAGE ON SCHEMA public TO "{role}"'
        assert (
            f"permission denied for schema public. As the owner or a superuser run: {grant};"
            in str(raised.value)
        )
        admin.execute(grant.encode())
        with migrating(theirs, migrations.current):
            migrations.upgrade(theirs.connect)


def test_words_for_what_is_unknown() -> None:
    """A message in another language is passed on as it is."""
    error = psycopg.errors.InsufficientPrivilege("keine Berechtigung für Tabelle clicks")
    assert "keine Berechtigung für Tabelle clicks" in worded(error, "me")
