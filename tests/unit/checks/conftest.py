"""What the tests of the checks share."""

from __future__ import annotations

import sys
import types

import pytest
from django.urls import clear_url_caches


@pytest.fixture
def routed(settings):
    """A function that makes a list of routes the project's URL configuration."""

    def route(*patterns):
        sys.modules["urls_under_test"] = types.ModuleType("urls_under_test")
        sys.modules["urls_under_test"].urlpatterns = list(patterns)
        settings.ROOT_URLCONF = "urls_under_test"
        clear_url_caches()

    yield route
    sys.modules.pop("urls_under_test", None)
    clear_url_caches()
