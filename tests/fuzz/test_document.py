"""Schemathesis sends requests drawn from the document and runs all of its checks on the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS as CHECKS_OF_SCHEMATHESIS
from schemathesis.checks import CheckContext
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from service.accounts import UserId
from service.contract.postgres import Database
from service.sessions import LIFETIME
from service.tokens import SessionId, Tokens
from tests.support.clones import Template
from tests.support.declared import DOCUMENT, undeclared
from tests.support.processes import SECRET_KEY, Process, Processes, heard_out, url_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

Case = schemathesis.Case[Any]

REFUSED_THOUGH_VALID = {
    "bad_host": "which names are hosts is up to IDNA and to the syntax of IP addresses",
    "bad_period": "it is a rule about several parameters",
    "bad_port": "a port is a part of the address; its limit is a number",
    "guessable": "the rule counts patterns, and compares the password with the e-mail address",
    "idempotency_key_reused": "it depends on an earlier request",
    "in_the_past": "it depends on the clock",
    "precondition_failed": "If-Match depends on the state of the link",
    "unknown_time_zone": "the names are those of a database",
    "wrong_password": "it depends on the account",
}
"""Codes of refusals that JSON Schema cannot express, each with its reason. 401, 403, 404, 409 and 429
need no entry: schemathesis accepts these statuses for valid requests."""

ACCEPTED_THOUGH_INVALID = {
    "createLinks": "200 with a result for each link: an invalid one does not affect the others.",
}
"""Operations that accept what the document forbids, each with its reason."""

ENDS_SESSIONS = {"logOut", "logOutEverywhere", "changePassword"}
"""Operations after which a session is over: within a sequence each has an account of its own."""

SETTINGS = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

SCHEMA = schemathesis.openapi.from_dict(deepcopy(DOCUMENT))

NewAccount = Callable[[], str]


@pytest.fixture(scope="module")
def database(template: Template) -> Iterator[Database]:
    """One database for all tests."""
    with template.clone() as cloned:
        yield cloned


@pytest.fixture(scope="module")
def service(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The service without rate limits and with open sign-up, with the account and the link of the document's examples."""
    limits = {"API_RATE_LIMIT": "0", "LOGIN_LIMIT": "0", "ADDRESS_LIMIT": "0", "SIGNUP": "on"}
    env = {"DATABASE_URL": url_of(database), "SECRET_KEY": SECRET_KEY, **limits}
    with heard_out(Processes(tmp_path_factory.mktemp("fuzz"), env)) as processes:
        add = ("service", "user", "add", "ada@example.com", "--password-stdin")
        processes.cli(*add, stdin="correct horse battery staple\n")
        link = ("link", "add", "https://example.com/", "--code", "launch")
        processes.cli("service", *link, "--owner", "ada@example.com")
        with database.connect() as db:
            # Requests with small numbers must not change the accounts that send them.
            db.execute("ALTER TABLE users ALTER COLUMN id RESTART WITH 1000000")
        yield processes.service()


@pytest.fixture
def new_account(database: Database, service: Process) -> Iterator[NewAccount]:
    """A function that creates an admin with the examples' password and returns a session's token."""
    with database.connect() as db:

        def create() -> str:
            session_id, now = SessionId(uuid4()), datetime.now(UTC)
            row = db.execute(
                "INSERT INTO users (email, password_hash, role)"
                " SELECT %s, password_hash, 'admin' FROM users WHERE id = 1 RETURNING id",
                (f"{session_id}@example.com",),
            ).fetchone()
            assert row is not None
            db.execute(
                "INSERT INTO sessions (id, user_id, expires_at) VALUES (%s, %s, %s)",
                (session_id, row[0], now + LIFETIME),
            )
            tokens = Tokens(SECRET_KEY.encode())
            return tokens.issue(UserId(row[0]), session_id, now, now + LIFETIME)

        yield create


def valid_data_is_accepted(ctx: CheckContext, response: Response, case: Case) -> None:
    """positive_data_acceptance, except for the refusals in REFUSED_THOUGH_VALID."""
    try:
        positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        problem = response.json()
        codes = {each["code"] for each in problem.get("errors", ())} or {problem["code"]}
        if not codes <= REFUSED_THOUGH_VALID.keys():
            raise


def invalid_data_is_refused(ctx: CheckContext, response: Response, case: Case) -> None:
    """negative_data_rejection, except for the operations in ACCEPTED_THOUGH_INVALID."""
    try:
        negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        if case.operation.definition.raw["operationId"] not in ACCEPTED_THOUGH_INVALID:
            raise


CHECKS: dict[str, Any] = {
    "additional_checks": [valid_data_is_accepted, invalid_data_is_refused],
    "excluded_checks": [positive_data_acceptance, negative_data_rejection],
}
"""All checks of schemathesis, two of them with exceptions."""


@SCHEMA.parametrize()
@SETTINGS
def test_the_service_keeps_to_the_document(
    case: Case, service: Process, new_account: NewAccount
) -> None:
    """All checks hold for the examples, for the limits of each value, for valid and invalid requests."""
    response = case.call_and_validate(
        service.url, headers=bearer(new_account()), allow_redirects=False, **CHECKS
    )
    assert response.status_code < 500 or response.status_code == 503
    operation = case.operation
    if response.request.method == operation.method.upper():
        told = {name: values[0] for name, values in response.headers.items()}
        assert [] == undeclared(operation.definition.raw, response.status_code, told)


def test_what_is_created_can_be_read_and_what_is_deleted_cannot(
    service: Process, new_account: NewAccount
) -> None:
    """All checks hold for sequences of requests in which one uses what another one has returned."""

    class Sequence(schemathesis.openapi.from_dict(deepcopy(DOCUMENT)).as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.token = new_account()

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            if case.operation.definition.raw["operationId"] in ENDS_SESSIONS:
                headers = bearer(new_account())
            else:
                headers = bearer(self.token)
            return {"base_url": service.url, "headers": headers, "allow_redirects": False}

        def validate_response(self, response: Response, case: Case, **kwargs: Any) -> None:
            case.validate_response(
                response,
                headers=kwargs["headers"],
                transport_kwargs=kwargs,
                recorder=self.recorder,
                **CHECKS,
            )

    Sequence.run(settings=settings(SETTINGS, stateful_step_count=10))


def test_every_check_is_on() -> None:
    """No check of schemathesis is left out, by configuration or by default."""
    config = SCHEMA.config.checks_config_for()
    names = set(CHECKS_OF_SCHEMATHESIS.get_all_names())
    assert {"positive_data_acceptance", "negative_data_rejection", "ignored_auth"} <= names
    assert [] == [name for name in names if not config.get_by_name(name=name).enabled]


def bearer(token: str) -> dict[str, str]:
    """Return the header that authenticates with the token."""
    return {"Authorization": f"Bearer {token}"}
