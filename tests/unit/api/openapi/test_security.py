"""The security schemes of the schema, and which endpoint takes which."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import override_settings

from tests.unit.api.openapi.generated import generated, operations

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


@pytest.mark.parametrize("in_sessions", [False, True])
def test_the_schemes_have_the_names_of_the_settings(in_sessions):
    with override_settings(CSRF_COOKIE_NAME="biscuit", CSRF_USE_SESSIONS=in_sessions):
        schemes = generated()[0]["components"]["securitySchemes"]
    assert schemes["sessionCookie"]["name"] == settings.SESSION_COOKIE_NAME
    assert schemes["csrfToken"]["name"] == "X-CSRFToken"
    assert schemes["sessionToken"]["scheme"] == "bearer"
    assert ("csrfCookie" in schemes) is not in_sessions
    assert in_sessions or schemes["csrfCookie"]["name"] == "biscuit"


@pytest.mark.parametrize(
    ("operation", "ways"),
    [
        ("GET /api/auth/csrf/", [set()]),
        ("POST /api/auth/login/", [{"csrfCookie", "csrfToken"}]),
        ("POST /api/auth/logout/", [{"csrfCookie", "csrfToken"}, {"sessionToken"}]),
        ("GET /api/auth/session/", [{"sessionCookie"}, {"sessionToken"}]),
        ("POST /api/auth/tokens/", [set()]),
        (
            "DELETE /api/auth/sessions/{session_id}/",
            [{"sessionCookie", "csrfCookie", "csrfToken"}, {"sessionToken"}],
        ),
    ],
)
def test_each_endpoint_names_the_ways_in(schema, operation, ways):
    assert [set(way) for way in operations(schema)[operation]["security"]] == ways
