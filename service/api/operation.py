"""An operation: one thing the API does, what it takes and answers, and who may ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict

from service.api.header import Header
from service.bodies import Body, Query
from service.errors import EveryclickError, Forbidden, ScopeMissing
from service.identity import Caller, identify
from service.keys import Scope
from service.origins import refuse_foreign
from service.store.users import User
from service.throttle import charge

Access = Literal["anyone", "token", "session", "admin"] | Scope
"""Who may ask: anyone; whoever has a session's token, though it may have ended; whoever has a session;
an admin with a session; or, by its scope, whoever has a session or a key."""

Media = Literal["application/json", "text/html"]
"""What is answered that no model tells."""


class Answer(BaseModel):
    """Base of what is answered: what the document tells and what is sent is one model."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Operation:
    """`id` is for generated clients and never changes; `answers` tells the model of each status.

    `asks` are headers that a request may have, `tells` those of every one of `answers`. `errors` are
    those beyond what any operation of this kind may answer.
    """

    id: str
    method: str
    path: str
    handler: Handler
    access: Access
    summary: str
    answers: Mapping[int, type[Answer] | Media | None]
    body: type[Body] | None = None
    query: type[Query] | None = None
    asks: tuple[Header, ...] = field(default=())
    tells: tuple[Header, ...] = field(default=())
    errors: tuple[type[EveryclickError], ...] = field(default=())

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer a request once it is known who asks, and that they may.

        Raises Unauthenticated, CrossSite, TooManyRequests, ScopeMissing and Forbidden, and whatever the
        handler raises.
        """
        refuse_foreign(request)
        if self.knows:
            caller = await identify(request)
            await charge(request, caller.user.id)
            _admit(caller, self.access)
            request[CALLER] = caller.user
        return await self.handler(request)

    @property
    def knows(self) -> bool:
        """Whether it is known who asks, and CALLER is there, before the handler is asked."""
        return self.access not in {"anyone", "token"}


def _admit(caller: Caller, access: Access) -> None:
    """Raises ScopeMissing when a key asks and was not made for this, Forbidden when no admin asks."""
    if caller.scopes is None:
        if access == "admin" and caller.user.role != "admin":
            raise Forbidden("Only an admin may do this.")
        return
    if access in caller.scopes:
        return
    if access in {"session", "admin"}:
        raise ScopeMissing("This takes a session: log in. No API key can do it.")
    raise ScopeMissing(f"Make a key with the scope {access}.")


CALLER: web.RequestKey[User] = web.RequestKey("caller", User)
"""Who asks; there for every operation that knows."""


def respond(
    answer: Answer, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the answer as JSON."""
    return responded(answer.model_dump_json(by_alias=True), status=status, headers=headers)


def responded(
    document: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return what is JSON already."""
    return web.Response(
        status=status,
        body=document.encode(),
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )
