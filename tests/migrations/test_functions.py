"""The loader of migrations/functions."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

import migrations
from migrations import functions
from service.contract.postgres import Database

WRITTEN = """
SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid), proacl::text
FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' ORDER BY 1
"""


def written(database: Database) -> list[tuple[str, ...]]:
    """Every function of the database, as Postgres would make it again."""
    with database.connect() as connection:
        return connection.execute(WRITTEN).fetchall()


@pytest.mark.parametrize(
    "drift",
    [
        # a body of another release
        (
            "CREATE OR REPLACE FUNCTION uuidv7_floor(at timestamptz) RETURNS uuid LANGUAGE sql"
            " RETURN gen_random_uuid()"
        ),
        # another return type
        (
            "DROP FUNCTION clicks_move_each; CREATE FUNCTION clicks_move_each(message_ids uuid[])"
            " RETURNS TABLE (message_id uuid, outcome text) LANGUAGE sql AS 'SELECT NULL::uuid, NULL'"
        ),
        # another parameter name
        (
            "DROP FUNCTION event_traits; CREATE FUNCTION event_traits(a bigint, b text, c text)"
            " RETURNS bigint[] LANGUAGE sql RETURN '{}'::bigint[]"
        ),
        # a second signature beside it
        (
            "CREATE FUNCTION error_shape(message varchar, more text) RETURNS text LANGUAGE sql"
            " RETURN message"
        ),
        "DROP FUNCTION clicks_partition_make",
        "ALTER FUNCTION clicks_partition_make SECURITY INVOKER RESET ALL",
    ],
)
def test_functions_become_what_the_files_say(database: Database, drift: str) -> None:
    """Whatever has become of a function, `migrate` brings it back, also at the newest revision."""
    head = written(database)
    with database.connect() as connection:
        connection.execute(drift.encode())
    assert head != written(database)
    migrations.upgrade(database.connect)
    assert head == written(database)


def test_functions_of_others_stay(database: Database) -> None:
    """A function that is not ours is not touched."""
    with database.connect() as connection:
        connection.execute("CREATE FUNCTION theirs() RETURNS int LANGUAGE sql RETURN 1")
    before = written(database)
    migrations.upgrade(database.connect)
    assert before == written(database)
    assert any("theirs()" in signature for signature, *_ in before)


def test_a_function_in_use_is_not_dropped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed return type under a generated column is an error that names the column."""
    source = functions.sources()["error_fingerprint"].replace("RETURNS text", "RETURNS varchar")
    monkeypatch.setattr(functions, "sources", lambda: {"error_fingerprint": source})
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="error_fingerprint"):
        migrations.upgrade(database.connect)


def test_files_are_named_after_their_function() -> None:
    """`NAME.sql` makes the function NAME and replaces it when it is there."""
    for name, source in functions.sources().items():
        assert f"CREATE OR REPLACE FUNCTION {name}(" in source, name
        assert 1 == source.count("CREATE OR REPLACE"), name
    assert {path.stem for path in Path(functions.__file__).parent.glob("*.sql")} == set(
        functions.sources()
    )
