"""Runs everything on this machine: Postgres, the service, the relay. `make run` is this.

python -m ops.run
"""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client import CollectorRegistry

import migrations
from relay.settings import RelaySettings
from service import setup
from service.contract.postgres import Database, database
from service.contract.process import OK, command_line, run, say, stopping
from service.contract.settings import ConfigurationError
from service.contract.stderr import open_log
from service.server import observer
from service.settings import ServiceSettings, secret_key
from service.supervisor import Child, Supervisor

LOOK = 0.1
"""Seconds between two looks at whether the service is ready."""


def main() -> int:
    """Run until Ctrl-C, then stop all of it. Returns an exit code."""
    started = perf_counter()
    open_log("run", words=True)
    settings = ServiceSettings.load()
    RelaySettings.load()
    if settings.port == 0:
        raise ConfigurationError(["PORT=0: nobody could be told which port it became; name one."])
    with database(settings, say) as chosen:
        if chosen.kind == "embedded":
            migrations.upgrade(chosen.connect)
        secret_key(settings, embedded=chosen.kind == "embedded")
        return run(supervise(settings, chosen, started))


async def supervise(settings: ServiceSettings, chosen: Database, started: float) -> int:
    """Keep both processes running until told to stop."""
    children = [Child(name, [sys.executable, "-m", name]) for name in ("service", "relay")]
    observe = observer(settings, CollectorRegistry())
    async with stopping() as stop:
        welcoming = asyncio.create_task(welcome(settings, chosen, started))
        try:
            grace = settings.shutdown_timeout + 4.0
            code = await Supervisor(children, observe, grace=grace).run(stop)
        finally:
            welcoming.cancel()
    if code == OK:
        say("Stopped. The data stays.")
    return code


async def welcome(settings: ServiceSettings, chosen: Database, started: float) -> None:
    """Say where everything is, once the service is ready."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", ""} else settings.host  # noqa: S104
    url = f"http://{host}:{settings.port}"
    async with ClientSession(timeout=ClientTimeout(total=2)) as session:
        while not await ready(session, f"{url}/readyz"):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(LOOK)
    python = sys.executable.removeprefix(f"{sys.prefix}/../")
    say(
        f"""
Everyclick is up after {perf_counter() - started:.1f} s.

  Short links   {settings.public_url}/CODE
  Statistics    {url}/stats/CODE
  Metrics       http://{settings.metrics_host}:{settings.metrics_port}/metrics (service), \
relay on port {RelaySettings.load().relay_metrics_port}
  Database      {chosen.where}
  Look inside   {chosen.psql}

Next, in another terminal:

  {python} -m service link add https://example.com/ --code hello
  curl -i {url}/hello
{await first_admin(chosen, url)}
Ctrl-C stops all of it."""
    )


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
