"""Renewal of the key over whole requests: what is handed out when, at what cost, and what a copy does."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib import auth
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from sessionkeeper.core import keys
from sessionkeeper.engine import renewal
from sessionkeeper.engine.lookup import resolve
from sessionkeeper.models import AuditEvent
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.stores import insert

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]


def me(request):
    if "put" in request.GET:
        request.session[request.GET["put"]] = 1
    return HttpResponse(str(request.user.pk), status=int(request.GET.get("status", 200)))


async def me_async(request):
    return HttpResponse(str((await request.auser()).pk))


def sign_in(request):
    user = auth.get_user_model()._default_manager.get(pk=request.GET["pk"])
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


urlpatterns = [path("me/", me), path("me_async/", me_async), path("sign_in/", sign_in)]


@pytest.fixture(autouse=True)
def _renewing(settings):
    settings.SESSIONKEEPER = {"ROTATE_AFTER": timedelta(minutes=15), "TOUCH_INTERVAL": timedelta(hours=1)}


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def browser(user):
    """A browser in which the user is signed in, with a key that is due."""
    client = Client()
    client.get("/sign_in/", {"pk": str(user.pk)})
    pass_time(minutes=15)
    return client


def pass_time(**duration):
    """Move what is stored into the past."""
    contents.set_back("authenticated_at", "previous_at", **duration)


def key_of(client):
    """The key in the cookie."""
    return client.cookies["sessionid"].value


def ask(key, method="get", **options):
    """Send one request with this key and return the answer."""
    client = Client()
    client.cookies["sessionid"] = key
    return getattr(client, method)("/me/", **options)


@pytest.mark.parametrize("view", ["me", "me_async"])
def test_a_key_that_is_old_is_renewed_and_the_session_stays(browser, user, view):
    old = key_of(browser)
    response = browser.get(f"/{view}/")
    new = key_of(browser)
    assert (response.text, new != old) == (str(user.pk), True)
    assert (new[:11], new[-7:]) == (old[:11], old[-7:])
    assert "no-store" in response["Cache-Control"]
    assert response.cookies["sessionid"]["max-age"] > 86_400
    assert list(AuditEvent.objects.values_list("kind", flat=True)) == ["sign_in", "renewed"]
    assert browser.get(f"/{view}/").text == str(user.pk)
    assert key_of(browser) == new


@pytest.mark.rule("L12")
def test_requests_side_by_side_and_again_are_given_the_same_key(browser):
    old = key_of(browser)
    assert len({ask(old).cookies["sessionid"].value for _ in range(3)}) == 1


def test_the_new_key_is_the_same_under_a_new_secret_key_with_a_fallback(browser, settings):
    old = key_of(browser)
    new = ask(old).cookies["sessionid"].value
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "next", [settings.SECRET_KEY]
    found = get_store().find(keys.parse(old).id)
    assert renewal.renew(keys.parse(old), found).text == new


@pytest.mark.rule("L12")
def test_the_old_key_is_good_for_a_minute_after_the_new_one_was_seen_but_brings_no_key(browser, user):
    old = key_of(browser)
    browser.get("/me/")
    pass_time(days=1)
    assert ask(old).text == str(user.pk)  # nobody came with the new one yet
    browser.get("/me/")
    pass_time(seconds=59)
    response = ask(old)
    assert (response.text, "sessionid" in response.cookies) == (str(user.pk), False)


@pytest.mark.rule("R42")
def test_an_old_key_that_comes_back_ends_the_session_and_is_recorded(browser, user):
    old = key_of(browser)
    browser.get("/me/")
    browser.get("/me/")
    pass_time(seconds=60)
    response = ask(old)
    assert (response.text, response.cookies["sessionid"].value) == ("None", "")
    assert contents.count() == 0
    event = AuditEvent.objects.get(kind="copy_detected")
    assert event.user_id == user.pk
    assert browser.get("/me/").text == "None"


def test_an_older_ancestor_is_a_copy_too(browser):
    ancestor = key_of(browser)
    for _ in range(2):
        browser.get("/me/")
        browser.get("/me/")
        pass_time(minutes=15)
    assert ask(ancestor).text == "None"
    assert contents.count() == 0


@pytest.mark.parametrize("made_up", ["id", "family"])
def test_a_made_up_secret_ends_nothing(browser, user, made_up):
    old = keys.parse(key_of(browser))
    browser.get("/me/")
    other = keys.rotate(old) if made_up == "id" else keys.Key(old.id, old.secret[:-7] + "AAAAAAA")
    assert ask(other.text).text == "None"
    assert browser.get("/me/").text == str(user.pk)


def test_the_key_from_before_a_sign_in_ends_nothing(browser, user):
    old = key_of(browser)
    browser.get("/me/")
    browser.get("/sign_in/", {"pk": str(user.pk)})
    assert ask(old).text == "None"
    assert browser.get("/me/").text == str(user.pk)


def test_a_request_with_a_body_may_be_late_and_proves_no_copy(browser, user):
    old = key_of(browser)
    browser.get("/me/")
    browser.get("/me/")
    pass_time(seconds=60)
    assert ask(old, "post", data={"a": 1}).text == "None"
    assert browser.get("/me/").text == str(user.pk)


def test_code_that_opens_an_old_key_ends_nothing(browser, user):
    old = key_of(browser)
    browser.get("/me/")
    browser.get("/me/")
    pass_time(seconds=60)
    assert resolve(old, transport="cookie")[1] is None
    assert browser.get("/me/").text == str(user.pk)


def test_a_late_request_with_the_old_key_still_saves(browser):
    old = key_of(browser)
    browser.get("/me/")
    assert ask(old, data={"put": "late"}).status_code == 200
    assert browser.session["late"] == 1


@pytest.mark.parametrize("how", ["passive", "server error", "off", "keeper"])
def test_there_are_times_when_no_key_is_renewed(browser, settings, monkeypatch, how):
    old, options = key_of(browser), {}
    if how == "passive":
        options["headers"] = {"X-Session-Passive": "1"}
    elif how == "server error":
        options["data"] = {"status": "500"}
    elif how == "off":
        settings.SESSIONKEEPER = {}
    else:
        monkeypatch.setattr(renewal, "KEEPERS", ("django.contrib.messages",))
    browser.get("/me/", **options)
    assert key_of(browser) == old


def test_visitors_and_tokens_keep_their_keys(user):
    visitor = Client()
    visitor.get("/me/", {"put": "a"})
    data = json.dumps({"_auth_user_id": str(user.pk)})
    token = keys.to_bearer(insert(get_store(), user_id=user.pk, transport="bearer", data=data))
    before = {one.secret_hash for one in contents.records()}
    contents.set_back("created_at", days=1)
    pass_time(days=1)
    visitor.get("/me/")
    Client().get("/me/", headers={"Authorization": f"Bearer {token}"})
    assert {one.secret_hash for one in contents.records()} == before


@pytest.mark.database_store_only("counts statements")
def test_a_renewal_costs_one_statement_and_its_event_and_the_first_use_one(browser):
    costs = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            browser.get("/me/")
        costs.append([query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]])
    assert costs == [["SELECT", "UPDATE", "INSERT"], ["SELECT", "UPDATE"], ["SELECT"]]
