"""What the code needs of a database beyond a revision's number: tables, columns, functions, privileges.

The named statements are the list of it: EXPLAIN looks up every name in a statement and every privilege of
the role, and executes nothing. Bodies of functions and sequences behind defaults are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg.errors import InsufficientPrivilege

from service.contract import statements
from service.contract.fitness import SchemaError
from service.contract.postgres import Database
from service.contract.transience import needs_operator

Statements = Mapping[str, LiteralString]

_SQL = statements.load("service.contract")

_EXPLAINED = re.compile(r"(--[^\n]*\n)*(WITH|SELECT|INSERT|UPDATE|DELETE)\b")

_GRANTS = {
    "table": "GRANT {verbs} ON {name} TO {role}",
    "sequence": "GRANT USAGE ON SEQUENCE {name} TO {role}",
    "function": "GRANT EXECUTE ON FUNCTION {name} TO {role}",
    "schema": "GRANT CREATE, USAGE ON SCHEMA {name} TO {role}",
    "database": "GRANT CONNECT ON DATABASE {name} TO {role}",
}

RERUN = "ops/roles/README.md has the privileges of every role."


class RequirementError(Exception):
    """The database lacks something, or the role a privilege; `faults` are whole sentences."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


async def requirements_check(connection: psycopg.AsyncConnection, needed: Statements) -> None:
    """Raise RequirementError unless the connection's role could run every statement now."""
    refused: dict[str, psycopg.Error] = {}
    for statement in needed.values():
        if not _EXPLAINED.match(statement):
            continue
        parameters = dict.fromkeys(re.findall(r"%\((\w+)\)", statement))
        try:
            await connection.execute(f"EXPLAIN (COSTS OFF) {statement}", parameters)
        except psycopg.Error as error:
            if not needs_operator(error):
                raise
            refused.setdefault(_message(error), error)
    if refused:
        role = connection.info.user
        raise RequirementError([worded(each, role, needed) for each in refused.values()])


async def catalog_state(connection: psycopg.AsyncConnection) -> str:
    """Return a digest that changes whenever a table, a function or a privilege does. Takes 2 ms."""
    cursor = await connection.execute(_SQL["catalog_state"])
    row = await cursor.fetchone()
    return str(row and row[0])


@contextmanager
def refusals(connection: psycopg.AsyncConnection | psycopg.Connection) -> Iterator[None]:
    """Turn an error that waiting does not fix into a RequirementError that says what to do."""
    role = connection.info.user
    try:
        yield
    except psycopg.Error as error:
        if not needs_operator(error):
            raise
        raise RequirementError([worded(error, role)]) from error


@contextmanager
def migrating(
    database: Database, current: Callable[[Callable[[], psycopg.Connection]], str | None]
) -> Iterator[None]:
    """Hold while a database is migrated; `current` returns the revision it is at.

    Raises SchemaError when it is newer than this release, RequirementError when the role may not.
    """
    with database.connect() as connection, refusals(connection):
        try:
            unfit = SchemaError(current(database.connect))
            if unfit.newer:
                raise unfit
            yield
        except psycopg.Error as error:
            role, owner = connection.info.user, schema_owner(connection)
            if not needs_operator(error) or owner in {None, role}:
                raise
            # A grant would not do: only an owner may change a table.
            raise RequirementError(
                [
                    f'Role "{role}": {_message(error)}. The tables belong to "{owner}": migrate as it.'
                ]
            ) from error


def schema_owner(connection: psycopg.Connection) -> str | None:
    """Return the role that has migrated the database, None when it has never been migrated."""
    row = connection.execute(_SQL["schema_owner"]).fetchone()
    return None if row is None else str(row[0])


def worded(error: psycopg.Error, role: str, needed: Statements | None = None) -> str:
    """Return a sentence about the error: what is missing, for which role, and what to run."""
    message = _message(error)
    if denied := re.fullmatch(r"permission denied for (\w+) (\S+)", message):
        kind, name = denied.groups()
        grant = _GRANTS.get(kind, "").format(
            name=name, role=f'"{role}"', verbs=_verbs(name, needed or {})
        )
        fix = f"As the owner or a superuser run: {grant}; " if grant else ""
        return f'Role "{role}": {message}. {fix}{RERUN}'
    if owned := re.fullmatch(r"must be owner of (\w+) (\S+)", message):
        kind, name = owned.groups()
        return (
            f'Role "{role}": {message}. Run this as its owner, or make "{role}" the owner of'
            f" {kind} {name}; ops/roles/roles.sql hands over all of them."
        )
    if error.sqlstate == InsufficientPrivilege.sqlstate:
        # In another language than English: the server's lc_messages decides.
        return f'Role "{role}": {message}. {RERUN}'
    return f"The database lacks what this release needs: {message}. Run: python -m service migrate"


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).strip()


def _verbs(table: str, needed: Statements) -> str:
    """The privileges that these statements need on a table, as GRANT writes them."""
    found = {"SELECT"}
    for text in needed.values():
        for verb in re.findall(
            rf"\b(INSERT|UPDATE|DELETE)\s+(?:INTO\s+|FROM\s+)?(?:ONLY\s+)?{table}\b", text
        ):
            found.add(verb)
        if re.search(
            rf"INSERT\s+INTO\s+{table}\b(?:(?!INSERT\s+INTO).)*\bDO\s+UPDATE\b", text, re.DOTALL
        ):
            found.add("UPDATE")
    return ", ".join(verb for verb in ("SELECT", "INSERT", "UPDATE", "DELETE") if verb in found)
