"""Limits that a project's own function gives, per user and per request."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from sessionkeeper import conf
from sessionkeeper.auth.decorators import require_recent_authentication
from sessionkeeper.checks import settings as checks
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from tests import contents
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


def put(request):
    request.session["a"] = 1
    return HttpResponse()


def sign_in(request):
    auth.login(request, get_user_model()._base_manager.get(pk=request.GET["pk"]), MODEL_BACKEND)
    return HttpResponse()


def shorten(request):
    request.session.set_expiry(600)
    return HttpResponse()


@require_recent_authentication()
async def sensitive(request):
    return HttpResponse("seen")


urlpatterns = [
    path("put/", put),
    path("sign_in/", sign_in),
    path("shorten/", shorten),
    path("sensitive/", sensitive),
    path("api/", include("sessionkeeper.api.urls")),
]


def by_path(request, user):
    """An hour for the API, the default elsewhere."""
    return 3600 if request is not None and request.path.startswith("/api/") else None


def by_user(request, user):
    """Visitors ten minutes, everybody an hour, staff a minute."""
    if user is None:
        return timedelta(minutes=10)
    return timedelta(minutes=1) if getattr(user, "is_staff", False) else timedelta(hours=1)


def not_two(*whatever):
    """Takes whatever there is."""


def broken(request, user):
    """Answers what is no duration."""
    return "soon"


def name(function):
    """The dotted path of a function here."""
    return f"{__name__}.{function.__name__}"


def log_in(user, **fields):
    """Sign in through the API; return the browser and the record."""
    browser = Client()
    credentials = {"username": user.get_username(), "password": PASSWORD}
    assert browser.post("/api/login/", {**credentials, **fields}).status_code == 200
    return browser, contents.records()[0]


@pytest.mark.rule("R14")
@pytest.mark.parametrize("value", [by_user, name(by_user)])
def test_the_idle_timeout_may_depend_on_the_user(settings, make_user, value):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": value}
    assert log_in(make_user())[1].idle_seconds == 3600
    assert log_in(make_user(is_staff=True))[1].idle_seconds == 60


def test_a_visitor_is_no_user_and_becomes_one_at_sign_in(settings, make_user):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": by_user}
    browser = Client()
    browser.get("/put/")
    assert contents.record().idle_seconds == 600
    browser.get(f"/sign_in/?pk={make_user(is_staff=True).pk}")
    assert contents.record().idle_seconds == 60
    browser.get(f"/sign_in/?pk={make_user().pk}")  # somebody else, in the same browser
    assert contents.record().idle_seconds == 3600


def test_a_limit_may_depend_on_the_request_and_none_is_the_default(settings, make_user):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": by_path, "ABSOLUTE_TIMEOUT": by_path}
    _, record = log_in(make_user())
    assert record.idle_seconds == 3600
    assert record.expires_at - record.created_at < timedelta(hours=1, minutes=1)
    contents.drop()
    Client().get(f"/sign_in/?pk={make_user().pk}")
    record = contents.record()
    assert record.idle_seconds == settings.SESSION_COOKIE_AGE
    assert record.expires_at - record.created_at > timedelta(days=29)


def test_a_preset_may_be_for_some(settings, make_user):
    def preset(request, user):
        return "aal3" if user is not None and user.is_staff else None

    settings.SESSIONKEEPER = {"TIMEOUT_PRESET": preset}
    assert log_in(make_user(is_staff=True))[1].idle_seconds == 900
    assert log_in(make_user())[1].idle_seconds == settings.SESSION_COOKIE_AGE


def test_what_code_sets_stays_within_the_limit_of_the_user(settings, make_user):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": by_user}
    for staff, seconds in ((True, 60), (False, 600)):
        browser, _ = log_in(make_user(is_staff=staff))
        browser.get("/shorten/")
        assert contents.records()[0].idle_seconds == seconds


def test_tokens_and_sessions_that_are_remembered_have_the_limits_too(settings, make_user):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": by_user, "ABSOLUTE_TIMEOUT": by_user}
    user = make_user(is_staff=True)
    _, record = log_in(user, remember=True)
    assert record.idle_seconds == 60
    credentials = {"username": user.get_username(), "password": PASSWORD}
    assert Client().post("/api/tokens/", credentials).status_code == 201
    token = contents.records()[0]
    assert (token.transport, token.idle_seconds) == ("bearer", 60)
    assert token.expires_at - token.created_at < timedelta(seconds=61)


def test_how_many_sessions_a_user_may_have_may_depend_on_the_user(settings, make_user):
    settings.SESSIONKEEPER = {
        "MAX_SESSIONS": lambda request, user: 1 if user.is_staff else None,
        "MAX_SESSIONS_ACTION": lambda request, user: "refuse",
    }
    member, chief = make_user(), make_user(is_staff=True)
    for user in (member, member, chief):
        log_in(user)
    credentials = {"username": chief.get_username(), "password": PASSWORD}
    assert Client().post("/api/login/", credentials).status_code == 409
    assert (len(registry.list_for(member)), len(registry.list_for(chief))) == (2, 1)


@pytest.mark.rule("R30")
def test_how_long_a_proof_counts_may_depend_on_the_user(settings, make_user):
    settings.SESSIONKEEPER = {"REAUTHENTICATE_AFTER": by_user}
    for staff, status in ((True, 403), (False, 200)):
        client, record = log_in(make_user(is_staff=staff))
        contents.set_back("authenticated_at", session_id=record.id, minutes=30)
        browser = AsyncClient()
        browser.cookies["sessionid"] = client.cookies["sessionid"].value
        assert async_to_sync(browser.get)("/sensitive/").status_code == status


def test_without_our_middleware_the_user_is_asked_for_and_there_is_no_request(settings, make_user):
    seen = []
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": lambda request, user: seen.append((request, user))}
    user = make_user()
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session.save()
    assert seen == [(None, user)]


def test_a_plain_limit_costs_no_statement_for_it_and_a_known_user_none_either(
    settings, make_user, django_assert_num_queries
):
    user = make_user()
    asked = []
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": lambda request, user: asked.append(user)}
    with CaptureQueriesContext(connection) as queries:
        Client().get(f"/sign_in/?pk={user.pk}")
    assert asked == [user]
    settings.SESSIONKEEPER = {}
    with django_assert_num_queries(len(queries)):
        Client().get(f"/sign_in/?pk={user.pk}")


@pytest.mark.parametrize("value", [broken, "tests.nowhere.at_all", f"{__name__}.MODEL_BACKEND"])
def test_a_function_that_gives_no_limit_signs_nobody_in_and_is_named(settings, make_user, value):
    settings.SESSIONKEEPER = {"ABSOLUTE_TIMEOUT": value}
    user = make_user()
    with pytest.raises(ImproperlyConfigured, match="ABSOLUTE_TIMEOUT"):
        log_in(user)
    assert contents.count() == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("tests.nowhere.at_all", "No module named"),
        (f"{__name__}.nothing", "does not define"),
        (f"{__name__}.MODEL_BACKEND", "is not callable"),
        (name(not_two), None),
        (lambda request: None, "does not take (request, user)"),
        (by_user, None),
    ],
)
def test_a_function_that_cannot_be_asked_is_named_at_start(settings, value, words):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": value}
    assert not conf.problems()
    found = list(checks.check_functions())
    if words is None:
        assert found == []
    else:
        [message] = found
        assert message.id == "sessionkeeper.E016"
        assert "IDLE_TIMEOUT" in message.msg
        assert words in message.msg


def test_a_text_that_is_no_path_is_a_wrong_value(settings):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": "1h", "ROTATE_AFTER": name(by_user)}
    first, second = conf.problems()
    assert "A function that takes request and user, or its dotted path" in first.hint
    assert "ROTATE_AFTER" in second.message
    assert "function" not in second.message


def test_times_that_are_asked_for_are_not_compared_at_start(settings):
    settings.SESSIONKEEPER = {"IDLE_TIMEOUT": by_user, "ABSOLUTE_TIMEOUT": 60}
    assert list(checks.check_timeouts()) == []
