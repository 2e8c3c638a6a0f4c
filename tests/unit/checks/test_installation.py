"""Routes without what they lead to are reported, and complete installs are not."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import include, path
from rest_framework.views import APIView

from sessionkeeper import checks
from sessionkeeper.api import SessionAuthentication, TokenAuthentication
from sessionkeeper.checks import installation
from sessionkeeper.pages.login import LoginPage

API = path("api/auth/", include("sessionkeeper.api.urls"))
PAGES = path("auth/", include("sessionkeeper.pages.urls"))
KEY = "DEFAULT_AUTHENTICATION_CLASSES"


@pytest.fixture
def ids(routed):
    """A function: the ids of the messages that routes are met with."""

    def run(*patterns):
        routed(*patterns)
        both = installation.check_tokens, installation.check_login_page
        return [message.id.partition(".")[2] for check in both for message in checks.guarded(check)()]

    return run


def of(*kinds):
    """The route of a view of the project with these authenticators."""
    return path("mine/", type("Mine", (APIView,), {"authentication_classes": kinds}).as_view())


@pytest.mark.parametrize(
    ("defaults", "more", "found"),
    [
        (["sessionkeeper.api.SessionAuthentication"], (), ["W053"]),
        (["sessionkeeper.api.SessionAuthentication"], (of(SessionAuthentication),), ["W053"]),
        (["sessionkeeper.api.SessionAuthentication"], (of(TokenAuthentication),), []),
        (["sessionkeeper.api.SessionAuthentication", "sessionkeeper.api.TokenAuthentication"], (), []),
    ],
)
def test_tokens_that_no_view_takes_are_reported(ids, settings, defaults, more, found):
    settings.REST_FRAMEWORK = {KEY: defaults}
    assert ids(API, *more) == found


def test_without_the_route_nobody_has_tokens(ids, settings):
    settings.REST_FRAMEWORK = {KEY: ["sessionkeeper.api.SessionAuthentication"]}
    assert ids(path("admin/", admin.site.urls)) == []


@pytest.mark.parametrize(
    ("login_url", "found"),
    [
        ("/accounts/login/", ["W043"]),
        ("no-such-route", ["W043"]),
        ("sessionkeeper-pages:login", []),
        ("/auth/login/?x=1", []),
        ("/own/", []),
        ("https://id.example.org/", []),
        ("/django/", ["I005"]),
        ("admin:login", ["I005"]),
    ],
)
def test_the_page_to_sign_in_is_one_that_is_there(ids, settings, login_url, found):
    settings.LOGIN_URL = login_url
    own = path("own/", type("Own", (LoginPage,), {}).as_view())
    assert ids(PAGES, own, path("django/", LoginView.as_view()), path("admin/", admin.site.urls)) == found


def test_without_the_pages_login_url_is_none_of_our_business(ids, settings):
    settings.LOGIN_URL = "/nowhere/"
    assert ids(path("admin/", admin.site.urls)) == []


def test_the_page_of_a_second_factor_is_right(ids, settings):
    settings.LOGIN_URL = "/django/"
    settings.SESSIONKEEPER = {"SECOND_FACTOR": "django.contrib.auth.models.User.is_active"}
    assert ids(PAGES, path("django/", LoginView.as_view())) == []


def test_a_site_below_a_path_is_understood(ids, settings):
    from django.urls import get_script_prefix, set_script_prefix

    before = get_script_prefix()
    settings.LOGIN_URL = "sessionkeeper-pages:login"
    set_script_prefix("/shop/")
    try:
        assert ids(PAGES) == []
    finally:
        set_script_prefix(before)
