"""The document and the service agree, whatever is asked: schemathesis draws from the one and asks the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.contract.postgres import Database
from tests.support.clones import Template
from tests.support.declared import DOCUMENT, undeclared
from tests.support.processes import SECRET_KEY, Process, Processes, heard_out, url_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

EXAMPLES = 25

CHECKS: list[CheckFunction] = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]

ENDS_THE_SESSION = {"logOut", "logOutEverywhere", "changePassword"}

SORTS_OUT = {"createLinks"}
"""What is wrong with one of many is told in its result: 200."""

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)

TOLD = [each for path in DOCUMENT["paths"].values() for each in path.values()]

IDS = [each["operationId"] for each in TOLD]

REFUSING = [
    each["operationId"]
    for each in TOLD
    if "requestBody" in each or any(len(p["schema"]) > 1 for p in each.get("parameters", ()))
]
"""Those that not everything may be said to: text of a header may be any."""


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


@pytest.fixture
def asker(processes: Processes, token: str, operation_id: str) -> str:
    """The token to ask with: of one's own for what ends a session, nobody else's."""
    if operation_id not in ENDS_THE_SESSION:
        return token
    return processes.cli("service", "token", "fuzz@example.com").stdout.strip()


def ask_all(url: str, token: str, operation_id: str, mode: GenerationMode) -> None:
    """Ask for the operation in many ways, all of them right or all of them wrong."""
    operation = SCHEMA.find_operation_by_id(operation_id)
    checks = list(CHECKS)
    if mode is GenerationMode.NEGATIVE and operation_id not in SORTS_OUT:
        checks.append(negative_data_rejection)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        response = case.call(base_url=url, headers=headers, allow_redirects=False)
        assert response.status_code < 500 or response.status_code == 503
        case.validate_response(response, checks=checks)
        told = {name: values[0] for name, values in response.headers.items()}
        assert [] == undeclared(operation.definition.raw, response.status_code, told)

    ask()


@pytest.mark.parametrize("operation_id", IDS)
def test_the_document_is_kept(service: Process, asker: str, operation_id: str) -> None:
    """No answer is undocumented, of another shape or type or with other headers than written, or a
    5xx but 503.
    """
    ask_all(service.url, asker, operation_id, GenerationMode.POSITIVE)


@pytest.mark.parametrize("operation_id", REFUSING)
def test_what_the_document_forbids_is_refused(
    service: Process, asker: str, operation_id: str
) -> None:
    """Neither is an answer to what is not as written, and that is refused."""
    ask_all(service.url, asker, operation_id, GenerationMode.NEGATIVE)
