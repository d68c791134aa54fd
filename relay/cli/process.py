"""drain, status: the work by hand, and how it stands."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry
from psycopg import AsyncConnection

from relay import runner
from relay.backoff import longest_waits
from relay.cli.check import Limits, faults
from relay.cli.session import opened, with_connection
from relay.drain import drain as drain_outbox
from relay.session import SESSION
from relay.settings import RelaySettings
from relay.store.outbox import Backlog
from relay.store.status import Status, relay_status
from service.contract import process
from service.contract.fitness import schema_check
from service.contract.observations import PipelineMeasured
from service.contract.pipeline import pipeline_state
from service.contract.process import FAILED, OK, say
from service.contract.requirements import refusals


def drain(
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for deferred events too, until none is left.")
    ] = False,
) -> int:
    """Move events until the outbox holds nothing due, then end."""
    settings = RelaySettings.load()
    mover = runner.mover(settings, runner.observer(settings, CollectorRegistry()))
    with opened(settings) as database:

        async def inside() -> Backlog:
            async with await database.aconnect("everyclick-drain", SESSION) as connection:
                with refusals(connection):
                    await schema_check(connection)
                    return await drain_outbox(connection, mover, wait=wait)

        left = process.run(inside())
    if left.next_due is not None:
        say(f"{left.deferred} events wait for their next try, the first in {left.next_due:.1f} s.")
    if left.dead_letters:
        say(f"{left.dead_letters} dead letters stand: python -m relay dead-letters groups")
    return OK


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 with a sentence for each limit not kept.")
    ] = False,
    max_oldest: Annotated[
        float, typer.Option(min=0, help="With --check: seconds an event may wait.")
    ] = 60.0,
    max_dead_letters: Annotated[
        int, typer.Option(min=0, help="With --check: dead letters that may stand.")
    ] = 0,
    min_relays: Annotated[int, typer.Option(min=0, help="With --check: relays alive.")] = 1,
) -> int:
    """Show what waits, what failed and which relays are alive."""
    waits = longest_waits(RelaySettings.load().relay_backoff_seconds)

    async def work(connection: AsyncConnection) -> tuple[Status, PipelineMeasured]:
        return await relay_status(connection, waits), await pipeline_state(connection)

    found, state = with_connection(work)
    told = {
        **asdict(found),
        "relays_alive": state.relays,
        "relay_seen_seconds": state.relay_seen,
        "relay_progress_seconds": state.relay_progress,
        "future_hours": state.future_hours,
        "replication_waits": state.replication_waits,
        "verify_age_seconds": state.verify_age,
        "verify_differences": state.verify_differences,
    }
    if as_json:
        print(json.dumps(told, default=str))
    else:
        for name, value in told.items():
            print(f"{name.replace('_', ' '):<24}{'-' if value is None else value}")
    wrong = faults(state, Limits(max_oldest, max_dead_letters, min_relays)) if check else []
    for each in wrong:
        say(each)
    return FAILED if wrong else OK
