"""Checks of ``MIDDLEWARE``: what is missing, what stands in the wrong place, what does not go together."""

import pytest
from django.core.checks.security.csrf import check_csrf_middleware

from sessionkeeper import checks
from sessionkeeper.checks import middleware
from sessionkeeper.middleware import SessionMiddleware

OUR_SESSION = "sessionkeeper.middleware.SessionMiddleware"
OUR_AUTH = "sessionkeeper.middleware.AuthenticationMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
FETCH = "sessionkeeper.csrf.FetchMetadataMiddleware"
CACHE = "django.middleware.cache.UpdateCacheMiddleware"


class OwnSessionMiddleware(SessionMiddleware):
    """A subclass of a project's own."""


@pytest.fixture
def found(settings):
    """A function: the ids that a list of middleware is met with."""

    def run(*paths):
        settings.MIDDLEWARE = list(paths)
        return {
            message.id.partition(".")[2]
            for check in (middleware.check_present, middleware.check_order, middleware.check_mixed)
            for message in checks.guarded(check)()
        }

    return run


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
