"""migrate, check: the process and what it needs."""

from __future__ import annotations

import psycopg

import migrations
from service.cli.session import migrated
from service.contract.fitness import DurabilityError, EncodingError, SchemaError
from service.contract.gate import pass_once
from service.contract.postgres import database
from service.contract.process import FAILED, MISCONFIGURED, OK, UNREACHABLE, run, say
from service.contract.requirements import RequirementError, migrating
from service.contract.settings import ConfigurationError
from service.readiness import NEEDED
from service.settings import ServiceSettings, secret_key


def migrate() -> int:
    """Bring the database to the schema this release needs."""
    settings = ServiceSettings.load()
    with database(settings, say) as chosen, migrating(chosen, migrations.current):
        before = migrations.current(chosen.connect)
        try:
            migrations.upgrade(chosen.connect)
        except psycopg.errors.LockNotAvailable as error:
            say(
                f"Nothing was changed: {error}. End the transaction that holds the lock (pg_locks)."
            )
            return FAILED
        after = migrations.current(chosen.connect)
    say(
        f"{chosen.where}: at {after} already."
        if before == after
        else f"{chosen.where}: {before or 'empty'} → {after}."
    )
    return OK


def check() -> int:
    """Print every configuration fault in plain words; exit 78 if there is any."""
    faults: list[str] = []
    unreachable = False
    try:
        settings = ServiceSettings.load()
        with database(settings, say) as chosen:
            try:
                secret_key(settings, embedded=chosen.kind == "embedded")
            except ConfigurationError as error:
                faults += error.faults
            try:
                migrated(chosen)
                run(pass_once(chosen, settings, lambda _: None, needed=NEEDED))
            except (SchemaError, RequirementError, EncodingError, DurabilityError) as error:
                faults.append(str(error))
            except psycopg.OperationalError as error:
                unreachable = True
                say(f"{chosen.where} cannot be reached: {str(error).strip()}")
    except ConfigurationError as error:
        faults += error.faults
    for fault in faults:
        print(fault)
    if faults:
        return MISCONFIGURED
    if unreachable:
        return UNREACHABLE
    say("The configuration is fine.")
    return OK
