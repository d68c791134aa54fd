"""setup: what makes the first admin."""

from __future__ import annotations

from service.address import serving
from service.cli.session import with_connection
from service.contract.process import FAILED, OK, say
from service.settings import ServiceSettings
from service.setup import LIFETIME, command, offer


def setup() -> int:
    """Print the token that makes the first admin, once; any earlier one holds no longer."""
    settings = serving(ServiceSettings.load())
    secret = with_connection(offer)
    if secret is None:
        say("There is an admin already; `user add EMAIL --role admin` makes another.")
        return FAILED
    print(secret)
    hours = LIFETIME.total_seconds() / 3600
    say(
        f"With it, once and within {hours:.0f} hours, while the service runs:\n\n"
        f"  {command(settings.public_url, secret)}"
    )
    return OK
