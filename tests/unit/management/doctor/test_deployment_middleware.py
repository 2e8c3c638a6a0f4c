"""A request through the middleware of the project, without its views."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import override_settings

from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.management.doctor import deployment

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


def sets_a_user(get_response):
    """A middleware of a project's own that does what AuthenticationMiddleware does."""

    def middleware(request):
        request.user = AnonymousUser()
        return get_response(request)

    return middleware


def answers_all(get_response):
    """A middleware that lets nothing through."""
    return lambda request: HttpResponse(status=503)


def says(*paths):
    """What the doctor finds out about ``MIDDLEWARE``, and the checks that it has heard."""
    with override_settings(MIDDLEWARE=list(paths)):
        findings = list(deployment.look())
    return (
        [(one.level.name, one.text) for one in findings if one.about == "middleware"],
        {one.about for one in findings} & {*CheckId},
    )


SESSION = "sessionkeeper.middleware.SessionMiddleware"

STOCK = "django.contrib.sessions.middleware.SessionMiddleware"


def test_a_request_shows_what_the_checks_only_guess():
    (told,), heard = says(SESSION, f"{__name__}.sets_a_user")
    assert told == ("OK", "After MIDDLEWARE a request has a session of sessionkeeper's and a user.")
    assert "sessionkeeper.W004" not in heard
    (told,), heard = says(SESSION)
    assert told == ("WARNING", "After MIDDLEWARE a request has no user.")


def test_a_request_without_a_session_is_an_error():
    told, heard = says(f"{__name__}.sets_a_user")
    assert told == [("ERROR", "After MIDDLEWARE a request has no session.")]
    assert not {"sessionkeeper.W003", "sessionkeeper.W009"} & heard


def test_sessions_of_another_engine_are_told():
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db"):
        told, _ = says(STOCK, f"{__name__}.sets_a_user")
    assert "django.contrib.sessions.backends.db.SessionStore, not sessionkeeper's" in told[0][1]


def test_where_nothing_comes_through_the_guess_stays_one():
    told, heard = says(f"{__name__}.answers_all", SESSION)
    assert told == [("OK", "A middleware answered with 503, so those after it could not be tested.")]
    assert "sessionkeeper.W004" in heard


def test_middleware_that_cannot_be_set_up_is_an_error():
    told, _ = says("no.such.Middleware")
    assert told[0][0] == "ERROR"
    assert "MIDDLEWARE fails" in told[0][1]
