"""Runs everything on this machine: Postgres, the service, the relay. `make run` is this.

python -m ops.run
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client import CollectorRegistry

import migrations
from relay.settings import RelaySettings
from service import setup
from service.contract.announcement import NOTIFY_SOCKET
from service.contract.ports import metrics_port
from service.contract.postgres import Database, database
from service.contract.process import OK, command_line, run, say, stopping
from service.contract.requirements import migrating
from service.contract.settings import ConfigurationError
from service.contract.stderr import open_log
from service.server import observer
from service.settings import ServiceSettings, secret_key
from service.supervisor import Child, Supervisor

LOOK = 0.1
"""Seconds between two looks at whether the service is ready."""

NAMES = ("service", "relay")


def main() -> int:
    """Run until Ctrl-C, then stop all of it. Returns an exit code."""
    started = perf_counter()
    open_log("run", words=True)
    settings = ServiceSettings.load()
    relay = RelaySettings.load()
    if settings.port == 0:
        raise ConfigurationError(["PORT=0: make run needs to know its port. Set PORT to a number."])
    # Chosen here, so that they can be printed; both processes are told.
    ports = {
        "METRICS_PORT": metrics_port(settings, "metrics_port"),
        "RELAY_METRICS_PORT": metrics_port(relay, "relay_metrics_port"),
    }
    with database(settings, say) as chosen:
        if chosen.kind == "embedded":
            with migrating(chosen, migrations.current):
                migrations.upgrade(chosen.connect)
        secret_key(settings, embedded=chosen.kind == "embedded")
        return run(supervise(settings, chosen, ports, started))


async def supervise(
    settings: ServiceSettings, chosen: Database, ports: dict[str, int], started: float
) -> int:
    """Keep both processes running until told to stop."""
    env = {name: str(port) for name, port in ports.items()}
    observe = observer(settings, CollectorRegistry())
    with announcements(NAMES) as (addresses, announced):
        children = [
            Child(name, [sys.executable, "-m", name], {**env, NOTIFY_SOCKET: addresses[name]})
            for name in NAMES
        ]
        async with stopping() as stop:
            welcoming = asyncio.create_task(welcome(settings, chosen, ports, announced, started))
            try:
                grace = settings.shutdown_timeout + 4.0
                code = await Supervisor(children, observe, grace=grace).run(stop)
            finally:
                welcoming.cancel()
    if code == OK:
        say("Stopped. The data stays.")
    return code


@contextmanager
def announcements(
    names: Sequence[str],
) -> Iterator[tuple[dict[str, str], dict[str, asyncio.Event]]]:
    """Listen on a socket for each name; yield their addresses, and an event each, set by READY=1.

    Only the child that was given the address knows it: another process on its port sets nothing.
    """
    loop = asyncio.get_running_loop()
    addresses: dict[str, str] = {}
    announced = {name: asyncio.Event() for name in names}
    # Not in TMPDIR: a socket's path has at most 104 bytes.
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory("", "everyclick-", "/tmp"))
        for name in names:
            addresses[name] = f"{directory}/{name}"
            listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            listening.bind(addresses[name])

            def heard(listening: socket.socket = listening, name: str = name) -> None:
                if listening.recv(1024).startswith(b"READY=1"):
                    announced[name].set()

            loop.add_reader(listening, heard)
            stack.callback(loop.remove_reader, listening)
        yield addresses, announced


async def welcome(
    settings: ServiceSettings,
    chosen: Database,
    ports: dict[str, int],
    announced: dict[str, asyncio.Event],
    started: float,
) -> None:
    """Say where everything is, once both processes run and the service is ready."""
    for each in announced.values():
        await each.wait()
    url = settings.local_url
    async with ClientSession(timeout=ClientTimeout(total=2)) as session:
        while not await ready(session, f"{url}/readyz"):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(LOOK)
    metrics = f"http://{settings.metrics_host}"
    say(
        f"""
Everyclick is up after {perf_counter() - started:.1f} s.

  Short links   {settings.link_url}/CODE
  Statistics    {settings.public_url}/stats/CODE
  Metrics       {metrics}:{ports["METRICS_PORT"]}/metrics (service), \
{metrics}:{ports["RELAY_METRICS_PORT"]}/metrics (relay)
  Database      {chosen.where}
  Look inside   {chosen.psql}

Next, in another terminal{elsewhere(chosen)}: a link, and a click on it.

  cd {shlex.quote(str(Path.cwd()))}
  curl -i "$({command_prefix(settings, chosen)} -m service link add https://example.com/)"
{await first_admin(chosen, settings.public_url)}
Ctrl-C stops all of it."""
    )


def elsewhere(chosen: Database) -> str:
    """Return what another terminal must have: a password is in it, so it is not printed."""
    return {
        "embedded": "",
        "url": " that has the same DATABASE_URL",
        "libpq": " that has the same PG* variables",
    }[chosen.kind]


def command_prefix(settings: ServiceSettings, chosen: Database) -> str:
    """Return how this Python is called from here, with the settings another terminal has not."""
    told = {"data_dir": str(settings.data_dir.resolve())}
    if chosen.kind != "embedded":
        # With the embedded database commands find the address by themselves.
        told = {
            name: str(getattr(settings, name)) for name in ("host", "port", "base_url", "short_url")
        }
    words = [
        f"{name.upper()}={shlex.quote(value)}"
        for name, value in told.items()
        if name in settings.model_fields_set
    ]
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return " ".join([*words, shlex.quote(os.fspath(python))])


async def first_admin(chosen: Database, url: str) -> str:
    """Return how to make the first admin; nothing once there is one."""
    async with await chosen.aconnect("everyclick-run") as connection:
        secret = await setup.offer(connection)
    if secret is None:
        return ""
    hours = setup.LIFETIME.total_seconds() / 3600
    return f"""
There is no admin yet. This makes the first one, once, within {hours:.0f} hours:

  {setup.command(url, secret)}
"""


async def ready(session: ClientSession, url: str) -> bool:
    """Tell whether the service answers that it is ready."""
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except (ClientError, TimeoutError):
        return False


if __name__ == "__main__":
    command_line(main)
