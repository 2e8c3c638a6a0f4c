"""``sessionkeeper.api.exceptions.exception_handler``, as a project's own handler."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions

from sessionkeeper.api.exceptions import exception_handler
from sessionkeeper.core.errors import SessionGone, StaleSession, StoreUnavailable

pytestmark = [
    pytest.mark.django_db,  # the handler rolls back, as DRF's does
    pytest.mark.urls("tests.http.api_site"),
]


class Teapot(exceptions.APIException):
    status_code = 418
    default_detail = "Short and stout."
    default_code = "teapot"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exceptions.ValidationError({"name": ["Too long."]}), 400, "invalid"),
        (exceptions.ValidationError(["Too late."]), 400, "invalid"),
        (exceptions.ValidationError({"name": {"first": ["Too long."]}}), 400, "invalid"),
        (exceptions.ParseError(), 400, "parse_error"),
        (SuspiciousOperation("x"), 400, "parse_error"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.AuthenticationFailed(), 401, "authentication_failed"),
        (PermissionDenied(), 403, "permission_denied"),
        (Http404(), 404, "not_found"),
        (exceptions.NotFound({"detail": "No such note.", "id": 7}), 404, "not_found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.NotAcceptable(), 406, "not_acceptable"),
        (SessionGone(), 409, "session_ended"),
        (StaleSession(), 409, "session_rotated"),
        (exceptions.UnsupportedMediaType("x/y"), 415, "unsupported_media_type"),
        (exceptions.Throttled(7), 429, "throttled"),
    ],
)
def test_known_errors_have_a_type_of_ours(error, status, code):
    response = exception_handler(error, {})
    assert response.status_code == response.data["status"] == status
    assert response.data["code"] == code
    assert response.data["type"] == f"/api/auth/problems/#{code}"
    assert response.data["detail"]


def test_an_error_of_the_projects_own_keeps_its_code_and_claims_no_type():
    data = exception_handler(Teapot(), {}).data
    assert (data["type"], data["code"], data["detail"]) == ("about:blank", "teapot", "Short and stout.")
    assert data["title"] == "I'm a Teapot"


def test_what_else_an_error_says_is_kept():
    assert exception_handler(exceptions.NotFound({"detail": "No such note.", "id": 7}), {}).data["id"] == "7"


def test_headers_are_those_that_drf_sends():
    assert exception_handler(exceptions.Throttled(7), {})["Retry-After"] == "7"
    error = exceptions.NotAuthenticated()
    error.auth_header = "Basic"
    assert exception_handler(error, {})["WWW-Authenticate"] == "Basic"


@pytest.mark.parametrize("error", [StoreUnavailable(), ValueError("a bug")])
def test_an_outage_and_a_bug_are_left_to_others(error):
    assert exception_handler(error, {}) is None
