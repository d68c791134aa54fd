"""link add, list: the links."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from psycopg import AsyncConnection

from service import links
from service.cli.session import with_connection
from service.contract.process import FAILED, OK, say
from service.errors import Refused
from service.settings import ServiceSettings
from service.store.links import NEWEST, Link, link_create, links_all
from service.store.users import user_by_email

app = typer.Typer(help="Short links.")

TRIES = 10
"""Codes drawn before giving up on finding a free one."""

PAGE = 500


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where the link leads.")],
    code: Annotated[str | None, typer.Option(help="The code to use; else a random one.")] = None,
    owner: Annotated[str | None, typer.Option(help="E-mail of the account it belongs to.")] = None,
    redirect_code: Annotated[int, typer.Option(help="301, 302, 307 or 308.")] = 302,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Make a link and print its short URL."""
    try:
        settings = ServiceSettings.load()
        target = settings.destinations.checked(url)
        wanted = None if code is None else links.wanted_code(code)
        kind = links.redirect_code(redirect_code)
    except Refused as error:
        raise typer.BadParameter(str(error)) from None

    async def work(connection: AsyncConnection) -> Link | str:
        owner_id = None
        if owner is not None:
            user = await user_by_email(connection, owner.lower())
            if user is None:
                return f"There is no account {owner}."
            owner_id = user.id
        for _ in range(1 if wanted else TRIES):
            link = await link_create(
                connection, wanted or links.new_code(), target, owner_id, redirect_code=kind
            )
            if link is not None:
                return link
        return f"The code {wanted} is taken." if wanted else "No free code was found; try again."

    made = with_connection(work)
    if isinstance(made, str):
        say(made)
        return FAILED
    short = f"{settings.link_url}/{made.code}"
    print(
        json.dumps({"code": made.code, "short_url": short, "url": made.target})
        if as_json
        else short
    )
    return OK


@app.command("list")
def list_() -> int:
    """List all links, newest first."""

    async def work(connection: AsyncConnection) -> None:
        below = NEWEST
        while page := await links_all(connection, below, PAGE):
            for link in page:
                state = "disabled" if link.disabled_at else "live"
                print(f"{link.code}\t{link.target}\t{link.owner or '-'}\t{state}")
            below = page[-1].id

    with_connection(work)
    return OK
