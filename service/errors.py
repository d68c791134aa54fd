"""Everything that can go wrong in a request, as one tree, and what HTTP makes of it.

EveryclickError
├── BadRequest           400  it is not HTTP
├── Malformed            400  the body is not what its type says
├── Unauthenticated      401  no token, or none that holds
│   └── BadCredentials   401  wrong e-mail or password
├── Forbidden            403  known, but not allowed
│   ├── CrossSite        403  a browser was sent here by another site
│   ├── SignupClosed     403  accounts are made by admins only
│   ├── BadSetupToken    403  not the setup token, or one that was used or has expired
│   ├── BadInvite        403  not the token of an open invite
│   └── ScopeMissing     403  an API key that was made for other things
├── NotFound             404  no such code, no such page
├── MethodNotAllowed     405
├── TooSlow              408  the body did not arrive in time
├── Conflict             409  it is taken
│   ├── CodeTaken        409  another link has this code
│   ├── EmailTaken       409  another account has this e-mail
│   ├── AlreadySetUp     409  there is an admin
│   ├── LastAdmin        409  no other active admin is there
│   └── TooManyKeys      409  the account has as many API keys as it may
├── Gone                 410  the link has expired or was disabled
├── PreconditionFailed   412  it has changed since it was read
├── TooLarge             413
├── UnsupportedType      415
├── BadExpectation       417  an Expect that nobody here can meet
├── Invalid              422  fields with problems, each named
├── KeyReused            422  an Idempotency-Key that was another request's
├── TooManyRequests      429  an allowance is used up; Retry-After says for how long
└── Unavailable          503  the database did not commit in time; try again

Refused                       a rule's no to one value; gathered into Invalid
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from service.problem import FieldProblem


class Refused(ValueError):
    """`code` is stable and for programs; the text tells a person what to write instead."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class EveryclickError(Exception):
    """Base of all errors that are answered as `application/problem+json`.

    `code` is stable and for programs, `title` is for people, `detail` says what happened this time
    and what to do about it.
    """

    status: ClassVar[int] = 500
    code: str = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = headers or {}
        self.problems: Sequence[FieldProblem] = ()


class BadRequest(EveryclickError):
    status, code, title = 400, "bad_request", "The request is not valid HTTP"


class Malformed(EveryclickError):
    status, code, title = 400, "invalid_json", "The body is not valid JSON"


class Unauthenticated(EveryclickError):
    status, code, title = 401, "unauthenticated", "A valid token is needed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class BadCredentials(Unauthenticated):
    code, title = "bad_credentials", "Wrong e-mail or password"


class Forbidden(EveryclickError):
    status, code, title = 403, "forbidden", "This is not yours"


class CrossSite(Forbidden):
    code, title = "cross_site", "Requests from other sites are refused"


class SignupClosed(Forbidden):
    code, title = "signup_closed", "Sign-up is closed"


class BadSetupToken(Forbidden):
    code, title = "bad_setup_token", "The setup token is invalid or has expired"


class BadInvite(Forbidden):
    code, title = "bad_invite_token", "The invite is invalid, was used, or has expired"


class ScopeMissing(Forbidden):
    code, title = "scope_missing", "The API key lacks the required scope"


class NotFound(EveryclickError):
    status, code, title = 404, "not_found", "There is nothing here"


class MethodNotAllowed(EveryclickError):
    status, code, title = 405, "method_not_allowed", "This method is not allowed here"


class TooSlow(EveryclickError):
    status, code, title = 408, "too_slow", "The body did not arrive in time"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Connection": "close"})


class Conflict(EveryclickError):
    status, code, title = 409, "conflict", "It is already in use"


class CodeTaken(Conflict):
    code, title = "code_taken", "The code is already in use"


class EmailTaken(Conflict):
    code, title = "email_taken", "The e-mail address is already in use"


class AlreadySetUp(Conflict):
    code, title = "already_set_up", "There is an admin already"


class LastAdmin(Conflict):
    code, title = "last_admin", "This is the only active admin"


class TooManyKeys(Conflict):
    code, title = "too_many_keys", "The account has as many API keys as it may"


class Gone(EveryclickError):
    status, code, title = 410, "gone", "This link has expired or was disabled"


class PreconditionFailed(EveryclickError):
    status, code, title = 412, "precondition_failed", "It has changed since it was read"


class TooLarge(EveryclickError):
    status, code, title = 413, "too_large", "The body is too large"


class UnsupportedType(EveryclickError):
    status, code, title = 415, "unsupported_type", "Send application/json in UTF-8"


class BadExpectation(EveryclickError):
    status, code, title = 417, "expectation_failed", "This expectation cannot be met"


class Invalid(EveryclickError):
    """A single problem lends its own code to the whole, so that `code` alone often suffices."""

    status, code, title = 422, "invalid", "Some fields cannot be accepted"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{p.pointer}: {p.detail}" for p in problems))
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            self.code = self.problems[0].code


class KeyReused(EveryclickError):
    status, code, title = (
        422,
        "idempotency_key_reused",
        "The idempotency key was already used for a different request",
    )


class TooManyRequests(EveryclickError):
    status, code, title = 429, "too_many_requests", "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Unavailable(EveryclickError):
    status, code, title = 503, "unavailable", "The database is not available right now"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": "1"})
