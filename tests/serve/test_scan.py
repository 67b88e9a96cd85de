"""Whatever is asked of the described API, by any role or none: no defect, no undocumented answer."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hub.access import ROLES
from tests.serve.roles import of_every_role

pytestmark = pytest.mark.long

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDLESS = "/changes"
"""A stream has no end to check; the table of who may what asks for it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with of_every_role(tmp_path_factory.mktemp("scan")) as made:
        yield made


@pytest.fixture(scope="module")
def operations(server):
    headers = {"Authorization": "Bearer analyst"}
    described = schemathesis.openapi.from_url(f"{server.address}/openapi.json", headers=headers)
    return [operation.ok() for operation in described.get_all_operations()]


def every_case(operation, examples, check):
    for mode in GenerationMode:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            check(case)

        ask()


@pytest.mark.parametrize("role", ROLES)
def test_no_role_finds_a_defect_or_an_answer_that_is_not_described(server, operations, role):
    def check(case):
        headers = {"Authorization": f"Bearer {role}"}
        case.call_and_validate(base_url=server.address, headers=headers, checks=CHECKS, timeout=60)

    for operation in operations:
        if operation.path != ENDLESS:
            every_case(operation, 4, check)


def test_without_a_token_whatever_is_asked_is_refused(server, operations):
    def check(case):
        answer = case.call(base_url=server.address, timeout=60)
        assert answer.status_code == 401, case.as_curl_command()

    assert len(operations) > 20
    for operation in operations:
        every_case(operation, 1, check)
