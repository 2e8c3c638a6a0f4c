"""Checks of ``MIDDLEWARE``: what is missing, what stands in the wrong place, what does not go together."""

import pytest
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.checks.security.csrf import check_csrf_middleware

from sessionkeeper import checks
from sessionkeeper.checks import middleware
from sessionkeeper.middleware.session import SessionMiddleware

OUR_SESSION = "sessionkeeper.middleware.SessionMiddleware"
OUR_AUTH = "sessionkeeper.middleware.AuthenticationMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
FETCH = "sessionkeeper.csrf.FetchMetadataMiddleware"
CACHE = "django.middleware.cache.UpdateCacheMiddleware"


OWN = f"{__name__}.own_middleware"
OTHER_COOKIE = f"{__name__}.OtherCookieMiddleware"


class OwnSessionMiddleware(SessionMiddleware):
    """A subclass of a project's own."""


class OtherCookieMiddleware(DjangoSessionMiddleware):
    """A project's subclass of Django's that takes the key from a cookie of its own, as pretix does."""


def own_middleware(get_response):
    """What a project's own does to requests is not known."""
    return get_response


@pytest.fixture
def found(settings):
    """A function: the ids that a list of middleware is met with."""

    def run(*paths):
        return {*messages(settings, *paths)}

    return run


def messages(settings, *paths):
    """The messages that a list of middleware is met with, by the last part of their ids."""
    settings.MIDDLEWARE = list(paths)
    return {
        message.id.partition(".")[2]: message
        for check in (middleware.check_present, middleware.check_order, middleware.check_mixed)
        for message in checks.guarded(check)()
    }


@pytest.mark.parametrize(
    "paths",
    [
        (OUR_SESSION, CSRF, OUR_AUTH),
        (SESSION, CSRF, AUTH),
        (CACHE, CSRF, OUR_SESSION, OUR_AUTH),
        (f"{__name__}.OwnSessionMiddleware", CSRF, OUR_AUTH),
        ("no.such.Middleware", None, 3, OUR_SESSION, CSRF, OUR_AUTH),
    ],
)
def test_all_ours_and_all_of_djangos_are_fine(found, paths):
    assert found(*paths) == set()


def test_no_session_middleware_is_a_warning(found):
    assert found(CSRF) == {"W003", "W004"}


def test_no_authentication_middleware_is_a_warning(found):
    assert found(OUR_SESSION, CSRF) == {"W004"}


def test_no_csrf_middleware_is_a_warning(found):
    assert found(OUR_SESSION, OUR_AUTH) == {"W005"}


@pytest.mark.parametrize("paths", [(OUR_AUTH, CSRF, OUR_SESSION), (AUTH, CSRF, SESSION), (CSRF, OUR_AUTH)])
def test_authentication_without_a_session_before_it_is_an_error(found, paths):
    assert found(*paths) == {"E004"}


def test_csrf_tokens_in_sessions_need_the_session_first(found, settings):
    settings.CSRF_USE_SESSIONS = True
    assert found(CSRF, OUR_SESSION, OUR_AUTH) == {"E005"}
    assert found(OUR_SESSION, CSRF, OUR_AUTH) == set()


def test_looking_where_a_request_comes_from_is_too_late_after_djangos_check(found):
    assert found(OUR_SESSION, CSRF, FETCH, OUR_AUTH) == {"W008"}
    assert found(FETCH, OUR_SESSION, CSRF, OUR_AUTH) == set()
    assert found(OUR_SESSION, FETCH, CSRF, OUR_AUTH) == set()


def test_it_does_not_stand_in_for_djangos_check(found, settings):
    assert found(OUR_SESSION, FETCH, OUR_AUTH) == {"W005"}
    settings.MIDDLEWARE = [OUR_SESSION, FETCH, CSRF, OUR_AUTH]
    assert check_csrf_middleware(None) == []


def test_a_cache_inside_the_session_is_a_warning(found):
    assert found(OUR_SESSION, CACHE, CSRF, OUR_AUTH) == {"W006"}


@pytest.mark.parametrize(
    "paths",
    [
        (OUR_SESSION, CSRF, AUTH),
        (SESSION, CSRF, OUR_AUTH),
        (SESSION, OUR_SESSION, CSRF, OUR_AUTH),
        (OUR_SESSION, CSRF, AUTH, OUR_AUTH),
    ],
)
def test_some_of_ours_with_some_of_djangos_is_a_warning(found, paths):
    assert found(*paths) == {"W007"}


def test_our_middleware_on_another_engine_is_an_error(found, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    assert found(OUR_SESSION, CSRF, OUR_AUTH) == {"E006"}


def test_middleware_of_a_project_with_another_engine_is_not_our_business(found, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    assert found() == set()


@pytest.mark.parametrize(
    ("given", "one", "does"),
    [
        ((OWN,), "W003", "sets request.session"),
        ((OUR_SESSION, OWN, CSRF), "W004", "sets request.user"),
        ((OUR_SESSION, OUR_AUTH, OWN), "W005", "checks CSRF"),
    ],
)
def test_what_a_middleware_of_the_project_may_do_is_not_stated(settings, given, one, does):
    message = messages(settings, *given)[one]
    assert f"unless one of {OWN!r} {does}, " in message.msg
    known = [path for path in given if path != OWN]
    assert "unless" not in messages(settings, *known)[one].msg


def test_a_middleware_of_the_project_may_set_the_session_before_django_asks_for_it(found, settings):
    """So that stops no project: E004 is an error, and stays one where all that stands before is known."""
    message = messages(settings, OWN, AUTH, CSRF, SESSION)["W009"]
    assert f"unless one of {OWN!r} sets request.session, every request fails" in message.msg
    assert "guess" in message.hint
    assert found(AUTH, OWN, CSRF, SESSION) == {"E004"}
    settings.CSRF_USE_SESSIONS = True
    assert found(OWN, CSRF, SESSION, AUTH) == {"W009"}


def test_nobody_is_told_to_replace_a_subclass_of_djangos(settings):
    """One that reads another cookie, as pretix's does, signs everybody out when it goes."""
    message = messages(settings, OTHER_COOKIE, CSRF, OUR_AUTH)["W007"]
    assert "bearer sessions" in message.msg
    assert "Replace" not in message.hint
    assert "leave it where it is" in message.hint
    assert "guess" in message.hint
    assert f"a subclass of {OUR_SESSION!r}" in message.hint


def test_djangos_own_is_replaced(settings):
    assert (
        f"Replace {SESSION!r} with {OUR_SESSION!r}."
        in messages(settings, SESSION, CSRF, OUR_AUTH)["W007"].hint
    )
    assert f"Replace {AUTH!r} with {OUR_AUTH!r}." in messages(settings, OUR_SESSION, CSRF, AUTH)["W007"].hint
    assert f"Remove {SESSION!r}" in messages(settings, SESSION, OUR_SESSION, CSRF, OUR_AUTH)["W007"].hint


def test_only_subclasses_of_djangos_are_fine(found):
    assert found(OTHER_COOKIE, CSRF, AUTH) == set()
