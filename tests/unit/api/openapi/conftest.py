"""The schema of the API."""

from __future__ import annotations

import pytest

from tests.unit.api.openapi.generated import whole


@pytest.fixture
def schema():
    """The schema of the API, made once: nothing in it changes between tests."""
    return whole()
