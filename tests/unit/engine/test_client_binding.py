"""A session that is used from another network or by another user agent."""

from __future__ import annotations

import pytest
from django.contrib import auth
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from sessionkeeper.auth import flows
from sessionkeeper.auth.flows import reauthenticate
from sessionkeeper.models import AuditEvent
from tests import contents
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]


def sign_in(request):
    user = auth.get_user_model()._default_manager.get(pk=request.GET["pk"])
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def me(request):
    return HttpResponse(f"{request.user.pk} {flows.is_recent(request)}")


def prove(request):
    reauthenticate(request, {"password": PASSWORD})
    return HttpResponse()


urlpatterns = [path("sign_in/", sign_in), path("me/", me), path("prove/", prove)]
HOME = {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "Browser/127.0 (X11)"}
NEAR = {"REMOTE_ADDR": "192.0.2.200", "HTTP_USER_AGENT": "Browser/128.1 (X11)"}
FAR = {"REMOTE_ADDR": "198.51.100.7", "HTTP_USER_AGENT": "curl/8"}


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def browser(user):
    """A browser that signed in at home."""
    client = Client()
    client.get("/sign_in/", {"pk": str(user.pk)}, **HOME)
    return client


def changes():
    """What the trail says of changes, and why."""
    rows = AuditEvent.objects.filter(kind__endswith="_changed").order_by("pk")
    return list(rows.values_list("kind", "reason"))


def both(settings, action):
    """Set what becomes of both kinds of changes."""
    settings.SESSIONKEEPER = {"ON_ADDRESS_CHANGE": action, "ON_USER_AGENT_CHANGE": action}


@pytest.mark.rule("R50")
def test_by_default_a_change_has_no_effect_and_costs_nothing(browser, user):
    with CaptureQueriesContext(connection) as queries:
        assert browser.get("/me/", **FAR).text == f"{user.pk} True"
    assert (len(queries), changes()) == (1, [])


@pytest.mark.parametrize("action", ["notify", "step_up", "end"])
def test_the_same_network_and_another_version_are_no_change(browser, user, settings, action):
    both(settings, action)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get("/me/", **NEAR).text == f"{user.pk} True"
    assert (len(queries), changes()) == (1, [])


@pytest.mark.rule("R50")
def test_a_change_that_is_noted_is_noted_once(browser, user, settings):
    both(settings, "notify")
    for _ in range(2):
        assert browser.get("/me/", **FAR).text == f"{user.pk} True"
    assert changes() == [("address_changed", "notify"), ("user_agent_changed", "notify")]
    assert contents.record().ip_address == FAR["REMOTE_ADDR"]


@pytest.mark.rule("R50")
def test_after_a_change_reauthentication_is_asked_for(browser, user, settings):
    both(settings, "step_up")
    for _ in range(2):
        assert browser.get("/me/", **FAR).text == f"{user.pk} False"
    browser.get("/prove/", **FAR)
    assert browser.get("/me/", **FAR).text == f"{user.pk} True"
    assert "_sessionkeeper_proof_is_void" not in contents.data()


def test_signing_in_again_is_one_too(browser, user, settings):
    both(settings, "step_up")
    browser.get("/me/", **FAR)
    browser.get("/sign_in/", {"pk": str(user.pk)}, **FAR)
    assert browser.get("/me/", **FAR).text == f"{user.pk} True"


@pytest.mark.rule("R50")
@pytest.mark.parametrize("name", ["ON_ADDRESS_CHANGE", "ON_USER_AGENT_CHANGE"])
def test_a_change_that_ends_the_session_ends_it(browser, settings, name):
    settings.SESSIONKEEPER = {name: "end"}
    response = browser.get("/me/", **FAR)
    assert (response.text, response.cookies["sessionid"].value) == ("None False", "")
    assert contents.count() == 0
    assert [reason for _, reason in changes()] == ["end"]


def test_the_stricter_of_two_actions_counts(browser, settings):
    settings.SESSIONKEEPER = {"ON_ADDRESS_CHANGE": "notify", "ON_USER_AGENT_CHANGE": "end"}
    assert browser.get("/me/", **FAR).text == "None False"
