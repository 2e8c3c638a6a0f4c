"""The examples of the schema are those of the reference, one for each problem."""

from __future__ import annotations

import json
import re

import pytest

from tests.demo_server import ROOT
from tests.unit.api.openapi.generated import PROBLEM, codes, operations

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

PAGE = (ROOT / "docs/reference/api.md").read_text()


def test_every_problem_has_an_example_of_its_own(schema):
    for operation in operations(schema).values():
        for status, answer in operation["responses"].items():
            if PROBLEM in answer.get("content", {}):
                shown = {
                    example["value"]["code"] for example in answer["content"][PROBLEM]["examples"].values()
                }
                assert shown == codes(operation, status)


def test_the_examples_are_those_of_the_reference(schema):
    shown = [json.loads(body) for body in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    for operation in ("GET /api/auth/csrf/", "GET /api/auth/session/", "POST /api/auth/tokens/"):
        answer = next(iter(operations(schema)[operation]["responses"].values()))
        (example,) = answer["content"]["application/json"]["examples"].values()
        assert example["value"] in shown
