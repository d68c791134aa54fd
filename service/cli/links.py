"""link add, list, edit, give, rm: the links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from psycopg import AsyncConnection
from pydantic_core import to_json

from service import links
from service.address import serving
from service.cli.session import with_connection
from service.contract.process import FAILED, OK, say
from service.errors import Refused
from service.settings import ServiceSettings
from service.store.links import (
    NEWEST,
    Link,
    link_create,
    link_delete,
    link_lock,
    link_update,
    links_all,
)
from service.store.users import user_by_email

app = typer.Typer(help="Short links.")

TRIES = 10
"""Codes drawn before giving up on finding a free one."""

PAGE = 500

T = TypeVar("T")

Code = Annotated[str, typer.Argument(help="Code of the link.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NoLink = "No link has this code."


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where the link leads.")],
    code: Annotated[str | None, typer.Option(help="The code to use; else a random one.")] = None,
    owner: Annotated[str | None, typer.Option(help="E-mail of the account it belongs to.")] = None,
    redirect_code: Annotated[int, typer.Option(help="301, 302, 307 or 308.")] = 302,
    as_json: AsJson = False,
) -> int:
    """Make a link and print its short URL."""
    settings = serving(ServiceSettings.load())
    target = _checked("URL", url, settings.destinations.checked)
    wanted = None if code is None else _checked("--code", code, links.wanted_code)
    kind = _checked("--redirect-code", redirect_code, links.redirect_code)

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
        if wanted is None:
            return "No free code was found; try again."
        return f"The code {wanted} is already in use. Choose another one, or see: link edit --help"

    return _shown(work, settings, as_json=as_json)


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


@app.command()
def edit(
    code: Code,
    url: Annotated[str | None, typer.Option(help="Where the link leads.")] = None,
    title: Annotated[str | None, typer.Option(help="Its title; '' removes it.")] = None,
    expires_at: Annotated[
        str | None, typer.Option(help="When it expires, 2030-01-31T12:00:00Z; '' means never.")
    ] = None,
    redirect_code: Annotated[int | None, typer.Option(help="301, 302, 307 or 308.")] = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it redirects.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Change a link and print its short URL; what is not given stays."""
    settings = serving(ServiceSettings.load())
    now = datetime.now(UTC)
    changes: dict[str, Any] = {}
    if url is not None:
        changes["target"] = _checked("--url", url, settings.destinations.checked)
    if title is not None:
        changes["title"] = _checked("--title", title, links.title)
    if expires_at is not None:
        changes["expires_at"] = (
            _checked("--expires-at", expires_at, lambda text: links.expiry(text, now))
            if expires_at
            else None
        )
    if redirect_code is not None:
        changes["redirect_code"] = _checked("--redirect-code", redirect_code, links.redirect_code)
    if not changes and enable is None:
        raise typer.BadParameter("Give at least one option.")

    async def work(connection: AsyncConnection) -> Link | str:
        async with connection.transaction():
            link = await link_lock(connection, code)
            if link is None:
                return NoLink
            if enable is not None:
                changes["disabled_at"] = None if enable else link.disabled_at or now
            return await link_update(connection, replace(link, **changes))

    return _shown(work, settings, as_json=as_json)


@app.command()
def give(
    code: Code,
    email: Annotated[str, typer.Argument(help="E-mail of the account it is to belong to.")],
    as_json: AsJson = False,
) -> int:
    """Make a link another account's and print its short URL."""

    async def work(connection: AsyncConnection) -> Link | str:
        async with connection.transaction():
            user = await user_by_email(connection, email.lower())
            if user is None:
                return f"There is no account {email}."
            link = await link_lock(connection, code)
            if link is None:
                return NoLink
            return await link_update(connection, replace(link, owner_id=user.id, owner=user.email))

    return _shown(work, serving(ServiceSettings.load()), as_json=as_json)


@app.command("rm")
def remove(code: Code, as_json: AsJson = False) -> int:
    """Remove a link at once and print the short URL it had; its clicks are removed after it."""

    async def work(connection: AsyncConnection) -> Link | str:
        async with connection.transaction():
            link = await link_lock(connection, code)
            if link is None:
                return NoLink
            await link_delete(connection, link.id)
            return link

    return _shown(work, serving(ServiceSettings.load()), as_json=as_json)


def _shown(
    work: Callable[[AsyncConnection], Awaitable[Link | str]],
    settings: ServiceSettings,
    *,
    as_json: bool,
) -> int:
    """Do the work and print the link it returns, or say why there is none."""
    link = with_connection(work)
    if isinstance(link, str):
        say(link)
        return FAILED
    print(document(link, settings) if as_json else f"{settings.link_url}/{link.code}")
    return OK


def document(link: Link, settings: ServiceSettings) -> str:
    """Return the link as the API shows it."""
    ends = {"expires_at": link.expires_at, "disabled_at": link.disabled_at}
    return to_json(
        {
            "code": link.code,
            "url": link.target,
            "short_url": f"{settings.link_url}/{link.code}",
            "title": link.title,
            "redirect_code": link.redirect_code,
            "created_at": link.created_at.astimezone(UTC),
            **{name: at and at.astimezone(UTC) for name, at in ends.items()},
            "owner": link.owner,
        }
    ).decode()


def _checked(name: str, given: T, rule: Callable[[T], Any]) -> Any:
    try:
        return rule(given)
    except Refused as error:
        raise typer.BadParameter(str(error), param_hint=name) from None
