"""The doctor: what it looks at, what it says of each, and its exit code."""

from __future__ import annotations

import pytest
from django.test import override_settings

from tests.unit.management.doctor.examined import examine

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

SAFE = {
    "DEBUG": False,
    "SECRET_KEY": "k" * 20 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": ["example.org"],
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 3600,
}


@pytest.mark.rule("R54")
def test_a_broken_setting_is_an_error_and_fails():
    with override_settings(SESSIONKEEPER={"IDLE_TIMOUT": 5}):
        text, failure = examine()
    assert "ERROR   sessionkeeper.E001" in text
    assert "Grade F" in text
    assert failure is not None


# a request through the middleware


# a site


@override_settings(**SAFE)
def test_a_safe_configuration_leaves_little_to_say():
    text, failure = examine()
    assert "W03" not in text
    assert failure is None
