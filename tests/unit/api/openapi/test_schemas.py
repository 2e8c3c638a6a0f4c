"""The shapes of answers fit what is answered."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from tests.unit.api.openapi.generated import PROBLEM, media_types

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


def test_every_answer_has_an_example_and_each_example_fits(schema):
    for media_type, content in media_types(schema):
        if media_type in {"application/json", PROBLEM}:
            assert content["examples"]
        whole = {**content["schema"], "components": schema["components"]}
        for example in content.get("examples", {}).values():
            Draft202012Validator(whole).validate(example["value"])
