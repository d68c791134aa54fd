"""The SQL functions of the schema: one file each, `NAME.sql`, its body whole.

`load` makes every function what its file says. `upgrade` calls it after the last revision, each time,
so a body is changed by editing its file. Add a revision with it, even an empty one: databases that are
at the newest revision are otherwise not migrated again.

A function that the code of the release before still calls keeps its signature: give a new signature a
new name, and drop the old function in a later `post` revision. A line `-- after: NAME` names a
function that must exist first, which matters to SQL-standard bodies and `%ROWTYPE` only.
"""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import psycopg


def sources() -> dict[str, str]:
    """Return the text of each file by the function's name, in an order to load them in."""
    texts = {path.stem: path.read_text("utf-8") for path in Path(__file__).parent.glob("*.sql")}
    after = {
        name: re.findall(r"^-- after: (\w+)$", text, re.MULTILINE)
        for name, text in sorted(texts.items())
    }
    return {name: texts[name] for name in TopologicalSorter(after).static_order()}


def load(connection: psycopg.Connection) -> None:
    """Make the functions of the current schema what the files say, within the open transaction.

    Raises psycopg.errors.DependentObjectsStillExist when a column, an index or a view uses a
    function whose return type changes: a revision has to release it first.
    """
    # Functions with `SET search_path FROM CURRENT` keep this path. Bodies are not checked: they may
    # name functions that come later.
    connection.execute(
        "SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true),"
        " set_config('check_function_bodies', 'off', true)"
    )
    for name, source in sources().items():
        before = _versions(connection, name)
        try:
            with connection.transaction():
                connection.execute(source.encode())
        except psycopg.errors.InvalidFunctionDefinition:
            # The return type or the parameters' names have changed, which REPLACE refuses.
            _drop(connection, before)
            connection.execute(source.encode())
        else:
            # What was not written just now is another signature of the same name.
            _drop(connection, before & _versions(connection, name))


def _versions(connection: psycopg.Connection, name: str) -> set[tuple[str, str]]:
    """Signatures under this name, each with the transaction that wrote it."""
    found = connection.execute(
        "SELECT oid::regprocedure::text, xmin::text FROM pg_proc"
        " WHERE proname = %s AND pronamespace = quote_ident(current_schema())::regnamespace",
        [name],
    )
    return set(found.fetchall())


def _drop(connection: psycopg.Connection, versions: set[tuple[str, str]]) -> None:
    for signature, _ in versions:
        connection.execute(f"DROP FUNCTION {signature}".encode())
