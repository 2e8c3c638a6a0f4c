"""What drf-spectacular says of the API: without warnings, valid, and as the API is."""

from __future__ import annotations

import pytest
from drf_spectacular.validation import validate_schema

from tests.unit.api.openapi.generated import generated

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_the_schema_is_valid_and_nothing_is_warned_of(version):
    found, warnings = generated(OAS_VERSION=version)
    assert not warnings
    assert found["openapi"] == version
    validate_schema(found)
