"""Every endpoint is described, with the errors that the reference names."""

from __future__ import annotations

import re

import pytest

from sessionkeeper.api import urls
from sessionkeeper.csrf import problems as csrf_problems
from tests.demo_server import ROOT
from tests.unit.api.openapi.generated import codes, operations

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

PAGE = (ROOT / "docs/reference/api.md").read_text()


def test_every_endpoint_is_described(schema):
    described = {f"sessionkeeper-api:{name}" for name in re.findall(r"`sessionkeeper-api:([\w-]+)`\.", PAGE)}
    routes = {
        f"sessionkeeper-api:{route.name}" for route in urls.urlpatterns if hasattr(route.callback, "cls")
    }
    assert len(operations(schema)) == len(routes)
    assert routes < described  # the page has the index of problems too, which is no part of the API
    assert len({operation["operationId"] for operation in operations(schema).values()}) == len(routes)


@pytest.mark.parametrize(
    "section",
    re.findall(r"^### `([A-Z]+ /api/auth/[^`]*)`\n(.*?)(?=^### |^## )", PAGE, re.MULTILINE | re.DOTALL),
)
def test_the_errors_that_the_reference_names_are_in_the_schema(schema, section):
    name, text = section
    operation = operations(schema).get(name.replace("<", "{").replace(">", "}"))
    if operation is None:
        assert name == "GET /api/auth/problems/"
        return
    errors = text.partition("Errors: ")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", errors)) & {
        code for one in operations(schema).values() for code in codes(one)
    }
    assert named <= codes(operation)
    if "CSRF" in errors and "tokens" not in name:
        assert {problem.code for problem in csrf_problems.PROBLEMS} <= codes(operation)
