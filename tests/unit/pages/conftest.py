"""A browser without scripts, and somebody who signed in with it."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from tests.http.pages_site import Visitor


@pytest.fixture(autouse=True)
def _settings(settings):
    cache.clear()
    settings.LOGIN_REDIRECT_URL = "/"
    settings.LOGIN_URL = "/auth/login/"


@pytest.fixture
def alice(make_user):
    return make_user(email="alice@example.org")


@pytest.fixture
def visitor(db):
    return Visitor()


@pytest.fixture
def signed_in(visitor, alice):
    assert visitor.log_in(alice).status_code == 302
    return visitor
