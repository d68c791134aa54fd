"""One migrated database, and copies of it that cost a few milliseconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

import migrations
from service.contract.postgres import Database


class Template:
    """A migrated database to clone; nobody may be connected to it while it is copied."""

    def __init__(self, server: str, name: str) -> None:
        self._server = server
        self._name = name
        self._numbers = count(1)

    @classmethod
    @contextmanager
    def migrated(cls, server: str) -> Iterator[Template]:
        """Yield a template at the newest revision; dropped at the end."""
        template = cls(server, f"everyclick_template_{os.getpid()}")
        with template._made(template._name) as database:
            migrations.upgrade(database.connect)
            yield template

    @contextmanager
    def clone(self) -> Iterator[Database]:
        """Yield a database of one's own, dropped at the end whoever is still connected."""
        with self._made(f"{self._name}_{next(self._numbers)}", self._name) as database:
            yield database

    @contextmanager
    def empty(self) -> Iterator[Database]:
        """Yield a database that was never migrated."""
        with self._made(f"{self._name}_{next(self._numbers)}", "template0") as database:
            yield database

    @contextmanager
    def _made(self, name: str, template: str = "template0") -> Iterator[Database]:
        with psycopg.connect(self._server, autocommit=True) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        conninfo = make_conninfo(self._server, dbname=name)
        try:
            yield Database("url", conninfo, f"test database {name}", "psql")
        finally:
            with psycopg.connect(self._server, autocommit=True) as admin:
                admin.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )
