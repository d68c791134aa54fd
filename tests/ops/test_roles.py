"""The roles of ops/roles: each verb on each table, as each role, against the table of its README."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import migrations
from service.contract import statements
from service.contract.embedded import binaries
from service.contract.postgres import Database
from tests.support.client_programs import client_programs
from tests.support.clones import Template
from tests.support.http import fetch
from tests.support.processes import REPOSITORY, SECRET_KEY, Processes, heard_out, url_of
from tests.support.traffic import add_events, count, value
from tests.support.waiting import until

ROLES = REPOSITORY / "ops" / "roles"

AT_WORK = ("everyclick_service", "everyclick_relay")
EVERYBODY = (*AT_WORK, "everyclick_migrate", "everyclick_backup")

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "search_path")

COLUMNWISE = {
    "select": "SELECT {column} FROM {table} LIMIT 0",
    "insert": "INSERT INTO {table} ({column}) VALUES (DEFAULT)",
    "update": "UPDATE {table} SET {column} = DEFAULT",
}
WHOLE = {"delete": "DELETE FROM {table}", "truncate": "TRUNCATE {table} CASCADE"}

TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
"""
COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
SCHEMA_RIGHT = "SELECT has_schema_privilege(%s, 'public', 'CREATE')"
TABLE_RIGHTS = "SELECT has_table_privilege(%s, %s, 'REFERENCES, TRIGGER')"


def psql(database: Database, name: str) -> None:
    """Run a file as its README says; it must not complain."""
    done = subprocess.run(
        [binaries.bin_dir() / "psql", database.conninfo, "-X", "--quiet", "-f", ROLES / name],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (0, "") == (done.returncode, done.stderr)


def as_role(database: Database, role: str) -> Database:
    """The same database, for somebody who logs in with this role."""
    conninfo = make_conninfo(database.conninfo, user=role, password="for tests alone")
    return Database("url", conninfo, f"as {role}", "psql")


@pytest.fixture
def handed_over(server: str, template: Template) -> Iterator[Database]:
    """A database made as the README says; its roles are dropped with it."""
    try:
        with template.empty() as database:
            psql(database, "roles.sql")
            with database.connect() as admin:
                for role in EVERYBODY:
                    admin.execute(
                        sql.SQL("ALTER ROLE {} PASSWORD 'for tests alone'").format(
                            sql.Identifier(role)
                        )
                    )
            migrations.upgrade(as_role(database, "everyclick_migrate").connect)
            psql(as_role(database, "everyclick_migrate"), "grants.sql")
            yield database
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            for role in EVERYBODY:
                admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def allowed(connection: psycopg.Connection, statement: str, **names: str) -> bool:
    """Whether Postgres lets this role do it, whatever else it thinks of it; nothing stays done."""
    composed = sql.SQL(statement).format(**{k: sql.Identifier(v) for k, v in names.items()})
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(composed)
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.Error:
        return True
    return True


def rights(connection: psycopg.Connection, table: str) -> str:
    """What the connection's role may do with a table, as the README writes it."""
    columns = [name for (name,) in connection.execute(COLUMNS, (table,))]
    found = []
    for verb, statement in COLUMNWISE.items():
        able = [
            each for each in columns if allowed(connection, statement, table=table, column=each)
        ]
        if able == columns:
            found.append(verb)
        elif able:
            found.append(f"{verb} ({', '.join(able)})")
    found += [
        verb for verb, statement in WHOLE.items() if allowed(connection, statement, table=table)
    ]
    return ", ".join(found)


def written() -> Mapping[str, tuple[str, ...]]:
    """The README's table: what service and relay may do with each table."""
    lines = re.findall(
        r"^\| `(\w+)` \|(.*)\|(.*)\|$", (ROLES / "README.md").read_text(), re.MULTILINE
    )
    return {table: (service.strip(), relay.strip()) for table, service, relay in lines}


def test_each_verb_on_each_table(handed_over: Database) -> None:
    """What Postgres lets each role do is what the README says, partitions included."""
    with handed_over.connect() as admin:
        tables = [name for (name,) in admin.execute(TABLES)]
    found: dict[str, list[str]] = {}
    connections = [as_role(handed_over, role).connect() for role in AT_WORK]
    for connection in connections:
        with connection:
            connection.autocommit = True
            for table in tables:
                found.setdefault(table, []).append(rights(connection, table))
    telling = {table: tuple(both) for table, both in found.items() if any(both)}
    assert written() == telling


def test_nothing_beyond_tables(handed_over: Database) -> None:
    """Neither may make tables, triggers or references, or call what runs as the owner unasked."""
    with handed_over.connect() as admin:
        tables = [name for (name,) in admin.execute(TABLES)]
        for role in AT_WORK:
            assert [(False,)] == admin.execute(SCHEMA_RIGHT, (role,)).fetchall()
            for table in tables:
                assert [(False,)] == admin.execute(TABLE_RIGHTS, (role, table)).fetchall()
        definers = admin.execute(
            "SELECT proname, has_function_privilege('everyclick_service', oid, 'EXECUTE'),"
            " has_function_privilege('everyclick_relay', oid, 'EXECUTE')"
            " FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert [("clicks_partition_make", False, True)] == definers


@pytest.mark.parametrize("package, role", [("service", AT_WORK[0]), ("relay", AT_WORK[1])])
def test_each_statement_is_allowed(handed_over: Database, package: str, role: str) -> None:
    """No statement of a process is more than its role may do, whatever its parameters are."""
    refused = set()
    with as_role(handed_over, role).connect() as connection:
        connection.autocommit = True
        for name, statement in statements.load(package).items():
            nothing = dict.fromkeys(re.findall(r"%\((\w+)\)", statement))
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(statement, nothing)
            except psycopg.errors.InsufficientPrivilege:
                refused.add(name)
            except (psycopg.errors.NotNullViolation, psycopg.errors.NullValueNotAllowed):
                pass  # found after rights have been looked at
    assert set() == refused


def shown(connection: psycopg.Connection, name: str) -> object:
    """What a setting is in this session."""
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return row[0]


def test_limits_of_a_session(handed_over: Database) -> None:
    """Each role's sessions are bounded, whatever connects; nobody is more than a plain role."""
    told = {}
    for role in EVERYBODY:
        with as_role(handed_over, role).connect() as connection:
            told[role] = [shown(connection, name) for name in LIMITS]
    path = "public, pg_temp"
    assert told == {
        "everyclick_service": ["5s", "3s", "10s", path],
        "everyclick_relay": ["10s", "5s", "30s", path],
        "everyclick_migrate": ["0", "5s", "0", path],
        "everyclick_backup": ["0", "0", "0", path],
    }
    with handed_over.connect() as admin:
        plain = admin.execute(
            "SELECT bool_or(rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls),"
            " bool_and(rolconnlimit > 0) FROM pg_roles WHERE rolname = ANY (%s)",
            (list(EVERYBODY),),
        ).fetchone()
    assert (False, True) == plain


def acting(directory: Path, database: Database, role: str) -> Processes:
    """Processes that log in with this role."""
    directory.mkdir()
    url = url_of(as_role(database, role))
    return Processes(directory, {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": url})


@pytest.mark.process
def test_the_work_is_done(handed_over: Database, tmp_path: Path) -> None:
    """Service and relay do all of their work with their roles; months are made, links purged."""
    acting_as = [acting(tmp_path / role, handed_over, role) for role in AT_WORK]
    with heard_out(acting_as[0]) as service, heard_out(acting_as[1]) as relay:
        serving = service.service()
        add = ("service", "user", "add", "ada@example.com", "--password-stdin")
        service.cli(*add, stdin="correct horse battery staple\n")
        token = service.cli("service", "token", "ada@example.com").stdout.strip()
        links = f"{serving.url}/api/v1/links"
        for code in ("kept", "gone"):
            payload = {"url": "https://example.com/", "code": code}
            assert 201 == fetch(links, method="POST", token=token, payload=payload).status
            assert 302 == fetch(f"{serving.url}/{code}").status
        relay.relay(RELAY_MAX_ATTEMPTS="1")
        with handed_over.connect() as admin:
            admin.autocommit = True
            until(lambda: count(admin, "clicks") == 2, "both clicks")
            assert (
                value(
                    admin, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'clicks'::regclass"
                )
                > 2
            )
            assert 204 == fetch(f"{links}/gone", method="DELETE", token=token).status
            until(lambda: count(admin, "clicks") == 1, "the purge")
            # An event that nobody can count becomes a dead letter, and comes back by a replay.
            admin.execute(
                "ALTER TABLE clicks ADD CONSTRAINT drill CHECK (user_agent <> 'journeys') NOT VALID"
            )
            add_events(admin, value(admin, "SELECT id FROM links"), 1)
            until(lambda: count(admin, "dead_letters") == 1, "a dead letter")
            admin.execute("ALTER TABLE clicks DROP CONSTRAINT drill")
            relay.cli("relay", "dead-letters", "replay", "--all")
            until(lambda: count(admin, "clicks") == 2, "the replay")
        assert 2 == fetch(f"{serving.url}/stats/kept", token=token).json()["total"]
        relay.cli("relay", "verify")
        relay.cli("relay", "rebuild")


def commands(section: str) -> list[str]:
    """The commands that a section of the runbook shows, one by one."""
    runbook = (REPOSITORY / "ops" / "runbook.md").read_text()
    shown = runbook.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^    (\S.*)$", shown, re.MULTILINE)


@pytest.mark.process
def test_backup_and_restore_as_written(
    handed_over: Database, template: Template, tmp_path: Path
) -> None:
    """The runbook's commands, typed as they are, back up, restore, migrate and count with roles."""
    tools = client_programs(handed_over)
    with handed_over.connect() as admin:
        admin.autocommit = True
        admin.execute("INSERT INTO links (code, target) VALUES ('kept', 'https://example.com/')")
        add_events(admin, value(admin, "SELECT id FROM links"), 3)
    with template.empty() as restored:
        name = conninfo_to_dict(restored.conninfo)["dbname"]
        with handed_over.connect() as admin:
            admin.autocommit = True
            admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(str(name))))
        server = conninfo_to_dict(handed_over.conninfo)
        env = {
            "PATH": f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "PGPASSWORD": str(server.get("password") or "for tests alone"),
            "DATABASE_URL": as_role(handed_over, "everyclick_backup").conninfo,
            **{
                f"PG{key.upper()}": str(server[key])
                for key in ("host", "port", "user")
                if key in server
            },
        }
        (tmp_path / "ops").symlink_to(REPOSITORY / "ops")
        for command in commands("Backup and restore"):
            typed = re.sub(r"\brestored\b", str(name), command)
            done = subprocess.run(
                ["/bin/sh", "-c", typed],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert 0 == done.returncode, f"{typed}\n{done.stderr}"
        with restored.connect() as connection:
            assert (3, 0) == (count(connection, "clicks"), count(connection, "outbox"))
        as_service = make_conninfo(restored.conninfo, user=AT_WORK[0], password="for tests alone")
        with psycopg.connect(as_service) as connection:
            assert 1 == value(connection, "SELECT count(*) FROM links")


def test_only_the_backup_role_dumps(handed_over: Database) -> None:
    """A dump as another role fails in one sentence that names the table it may not read."""
    done = subprocess.run(
        [client_programs(handed_over) / "pg_dump", as_role(handed_over, AT_WORK[0]).conninfo],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == done.returncode
    assert "permission denied for table" in done.stderr


@pytest.mark.process
def test_months_that_the_relay_may_not_make(handed_over: Database, tmp_path: Path) -> None:
    """Without the right it starts, says so and counts clicks; with it, they move to their month."""
    acting_as = acting(tmp_path / "relay", handed_over, AT_WORK[1])
    with handed_over.connect() as admin, heard_out(acting_as) as relay:
        admin.autocommit = True
        # What releases before 0004 left, until grants.sql had run again.
        admin.execute("ALTER FUNCTION clicks_partition_make SECURITY INVOKER")
        admin.execute("INSERT INTO links (code, target) VALUES ('kept', 'https://example.com/')")
        add_events(admin, value(admin, "SELECT id FROM links"), 3)
        started = relay.relay()
        until(lambda: count(admin, "clicks") == 3, "the clicks")
        assert 3 == count(admin, "clicks_default")
        refused = started.logged("partition_refused")
        assert [True] * 5 == ["permission denied" in line["error"] for line in refused]
        started.stop()
        migrations.upgrade(as_role(handed_over, "everyclick_migrate").connect)
        relay.relay()
        until(lambda: count(admin, "clicks_default") == 0, "the month")
        assert 3 == count(admin, "clicks")
