"""The document and the service agree, whatever is asked: schemathesis draws from the one and asks the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    CheckFunction,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.api import operations
from service.api.document import document
from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.processes import SECRET_KEY, Process, Processes, heard_out, url_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

EXAMPLES = 25

CHECKS: list[CheckFunction] = [
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]

ENDS_THE_SESSION = {"logOut", "logOutEverywhere", "changePassword"}

SCHEMA = schemathesis.openapi.from_dict(document(operations(), "0.0.0"))


@pytest.fixture(scope="module")
def database(template: Template) -> Iterator[Database]:
    """One database for all of it."""
    with template.clone() as cloned:
        yield cloned


@pytest.fixture(scope="module")
def processes(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Processes without limits on how much is asked."""
    limits = {"API_RATE_LIMIT": "0", "LOGIN_LIMIT": "0", "ADDRESS_LIMIT": "0"}
    env = {"DATABASE_URL": url_of(database), "SECRET_KEY": SECRET_KEY, **limits}
    with heard_out(Processes(tmp_path_factory.mktemp("fuzz"), env)) as made:
        yield made


@pytest.fixture(scope="module")
def service(processes: Processes) -> Process:
    """The service, as it is run."""
    return processes.service()


@pytest.fixture(scope="module")
def token(processes: Processes, service: Process) -> str:
    """The token of somebody with a link of the code `a`."""
    add = ("service", "user", "add", "fuzz@example.com", "--password-stdin")
    processes.cli(*add, stdin="correct horse battery staple\n")
    link = ("link", "add", "https://example.com/", "--code", "a", "--owner", "fuzz@example.com")
    processes.cli("service", *link)
    return processes.cli("service", "token", "fuzz@example.com").stdout.strip()


@pytest.mark.parametrize("operation_id", [each.id for each in operations()] + ["followLink"])
def test_the_document_is_kept(service: Process, token: str, operation_id: str) -> None:
    """No answer is undocumented, of another shape or type than written, or a 5xx but 503."""
    operation = SCHEMA.find_operation_by_id(operation_id)
    headers = {}
    if operation_id not in ENDS_THE_SESSION:
        headers["Authorization"] = f"Bearer {token}"

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        response = case.call(base_url=service.url, headers=headers, allow_redirects=False)
        assert response.status_code < 500 or response.status_code == 503
        case.validate_response(response, checks=CHECKS)

    ask()
