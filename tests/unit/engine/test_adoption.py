"""Sessions of Django's own engine are taken over, once, and their old cookies open nothing after that."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth import login as sign_in
from django.contrib.auth import logout as sign_out
from django.contrib.sessions.models import Session as OldSession
from django.db import connections
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils import timezone

from sessionkeeper import conf
from sessionkeeper.audit import events
from sessionkeeper.core import keys
from sessionkeeper.engine import adoption, registry
from sessionkeeper.http.client_info import ClientInfo as Facts
from sessionkeeper.models import AuditEvent
from tests import contents
from tests.unit.engine.adopting import comes_with, make_old


def whoami(request):
    """Say who this is and what the basket holds."""
    return JsonResponse({"user": request.user.get_username(), "basket": request.session.get("basket")})


def fail(request):
    """Fail after the session was read."""
    return HttpResponse(request.user.get_username(), status=500)


def log_in(request):
    """Sign the other user in."""
    sign_in(
        request, get_user_model().objects.get(username="other"), "django.contrib.auth.backends.ModelBackend"
    )
    return HttpResponse()


def log_out(request):
    """Sign out."""
    sign_out(request)
    return HttpResponse()


def flush(request):
    """End the session without a look at it."""
    request.session.flush()
    return HttpResponse()


urlpatterns = [
    path("", whoami),
    path("fail/", fail),
    path("in/", log_in),
    path("out/", log_out),
    path("flush/", flush),
]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine"), pytest.mark.urls(__name__)]


@pytest.fixture
def person(make_user):
    """A user."""
    return make_user()


def later(monkeypatch):
    """Let the minute be over."""
    monkeypatch.setattr(adoption, "OVERLAP", timedelta(0))


@pytest.mark.promise("P-20")
@pytest.mark.usefixtures("both")
def test_who_was_signed_in_stays_signed_in_under_a_new_key(person, old):
    answer, client = comes_with(old)
    assert answer.json() == {"user": person.get_username(), "basket": [1]}
    key = keys.parse(client.cookies["sessionid"].value)
    session = contents.row()
    assert (session.pk, session.user_id, session.authenticated_at) == (key.id, person.pk, None)
    assert not OldSession.objects.exists()
    assert client.get("/").json()["user"] == person.get_username()
    assert AuditEvent.objects.get().kind == events.Kind.ADOPTED
    assert old not in str(client.cookies)


def test_the_backend_of_before_may_have_been_replaced_by_ours(person, old, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    answer, client = comes_with(old)
    assert answer.json()["user"] == client.get("/").json()["user"] == person.get_username()


def test_a_backend_that_is_gone_is_not_replaced(old, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.LockoutBackend"]
    assert comes_with(old)[0].json()["user"] == ""
    assert OldSession.objects.exists()


def test_what_a_visitor_had_comes_along(engine):
    answer, client = comes_with(make_old(engine))
    assert answer.json() == {"user": "", "basket": [1]}
    assert client.get("/").json()["basket"] == [1]
    assert not AuditEvent.objects.exists()


def test_it_works_in_the_event_loop(person, old):
    client = AsyncClient()
    client.cookies["sessionid"] = old
    assert async_to_sync(client.get)("/").json()["user"] == person.get_username()
    assert keys.parse(client.cookies["sessionid"].value) is not None


@pytest.mark.usefixtures("both")
def test_the_old_cookie_is_taken_for_a_moment_and_then_opens_nothing(person, old, monkeypatch):
    first, second = comes_with(old), comes_with(old)
    assert second[0].json()["user"] == person.get_username()
    assert first[1].cookies["sessionid"].value == second[1].cookies["sessionid"].value
    assert contents.count() == 1
    later(monkeypatch)
    assert comes_with(old)[0].json() == {"user": "", "basket": None}
    assert first[1].get("/").json()["user"] == person.get_username()


@pytest.mark.promise("P-20")
@pytest.mark.parametrize("how", ["/out/", "revoked"])
def test_after_its_end_the_old_cookie_opens_nothing(person, old, how):
    _, client = comes_with(old)
    if how == "revoked":
        registry.revoke_all(person)
    else:
        client.get(how)
    assert comes_with(old)[0].json()["user"] == ""
    assert contents.count() == 0


@pytest.mark.promise("P-20")
def test_a_request_that_read_the_old_row_in_time_does_not_bring_an_ended_session_back(person, old, engine):
    store, key = engine.SessionStore(old), adoption._derived(keys.Secret(old))[0]
    row = adoption._read(store)
    comes_with(old)
    registry.revoke_all(person)
    adoption._claim(store, key, row, Facts())
    assert contents.count() == 0


@pytest.mark.promise("P-20")
def test_two_requests_that_both_read_the_old_row_adopt_it_once(person, old, monkeypatch):
    read, overtaken = adoption._read, []

    def overtaking(store):
        row = read(store)
        if not overtaken:  # another request does all of it between this one's read and its claim
            overtaken.append(True)
            overtaken.append(comes_with(old))
        return row

    monkeypatch.setattr(adoption, "_read", overtaking)
    answer, client = comes_with(old)
    assert len(overtaken) == 2
    other, other_client = overtaken[1]
    assert answer.json() == other.json() == {"user": person.get_username(), "basket": [1]}
    assert client.cookies["sessionid"].value == other_client.cookies["sessionid"].value
    assert len(registry.list_for(person)) == 1
    assert AuditEvent.objects.filter(kind=events.Kind.ADOPTED).count() == 1


@pytest.mark.rule("R47")
@pytest.mark.parametrize("end", [False, True])
def test_a_process_with_the_next_secret_key_finds_what_another_one_adopted(person, old, settings, end):
    first, second = settings.SECRET_KEY, "next"
    settings.SECRET_KEY_FALLBACKS = [second]
    _, client = comes_with(old)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = second, [first]
    answer, other = comes_with(old, "/flush/" if end else "/")
    assert contents.count() == (0 if end else 1)
    if not end:
        assert answer.json()["user"] == person.get_username()
        assert other.cookies["sessionid"].value == client.cookies["sessionid"].value


def test_a_bearer_token_adopts_nothing(old):
    answer = Client().get("/", headers={"Authorization": f"Bearer {old}"})
    assert answer.json()["user"] == ""
    assert OldSession.objects.exists()
    assert contents.count() == 0


@pytest.mark.parametrize("url", ["/out/", "/flush/"])
def test_signing_out_with_the_old_cookie_ends_it(old, url):
    comes_with(old, url)
    assert not OldSession.objects.exists()
    assert comes_with(old)[0].json()["user"] == ""


def test_who_plants_an_old_cookie_does_not_get_into_what_is_signed_in_there(engine, make_user):
    make_user(username="other")
    planted = make_old(engine)
    _, victim = comes_with(planted, "/in/")
    assert victim.get("/").json()["user"] == "other"
    assert comes_with(planted)[0].json()["user"] == ""


@pytest.mark.rule("R03")
def test_a_key_that_somebody_made_up_opens_nothing_and_costs_two_queries(django_assert_num_queries):
    with django_assert_num_queries(1 if contents.is_in_valkey() else 2):
        answer, _ = comes_with("a1" * 16)
    assert answer.json()["user"] == ""
    assert contents.count() == 0


@pytest.mark.parametrize("cookie", ["A1" * 16, "a" * 31, "a" * 33, "é" * 32])
def test_cookies_of_another_shape_cost_nothing(django_assert_num_queries, cookie):
    with django_assert_num_queries(0):
        comes_with(cookie)


@pytest.mark.parametrize("named", ["nobody", "9" * 40, "999999"])
def test_a_session_of_nobody_is_not_taken(engine, person, named):
    old = make_old(engine, person, **{SESSION_KEY: named})
    assert comes_with(old)[0].json()["user"] == ""
    assert contents.count() == 0


@pytest.mark.promise("P-20")
@pytest.mark.parametrize("why", ["expired", "password", "disabled", "forged", "deleted"])
def test_what_django_would_not_take_is_not_taken(person, old, why, engine):
    if why == "expired":
        OldSession.objects.update(expire_date=timezone.now())
    elif why == "deleted":
        get_user_model().objects.all().delete()
    elif why == "forged":
        OldSession.objects.update(session_data="e30:1:forged")
    else:
        change = {"is_active": False} if why == "disabled" else {"password": "another"}
        get_user_model().objects.filter(pk=person.pk).update(**change)
    assert comes_with(old)[0].json() == {"user": "", "basket": None}
    assert contents.count() == 0


def test_it_lives_as_long_as_it_would_have_and_never_longer_than_ours(old, settings, engine, person):
    OldSession.objects.update(expire_date=timezone.now() + timedelta(hours=1))
    comes_with(old)
    assert contents.record().expires_at <= timezone.now() + timedelta(hours=1)
    settings.SESSIONKEEPER = {**settings.SESSIONKEEPER, "ABSOLUTE_TIMEOUT": 60}
    contents.drop()
    comes_with(make_old(engine, person))
    assert contents.record().expires_at <= timezone.now() + timedelta(seconds=60)


def test_a_view_that_fails_does_not_lose_the_session(person, old, monkeypatch):
    _, client = comes_with(old, "/fail/", raise_request_exception=False)
    later(monkeypatch)
    assert client.get("/").json()["user"] == person.get_username()


def test_a_large_anonymous_session_is_left_where_it_is(engine):
    answer, _ = comes_with(make_old(engine, much="x" * 70_000))
    assert answer.json()["basket"] is None
    assert OldSession.objects.exists()


def test_without_the_setting_an_old_cookie_is_nothing(settings, old, django_assert_num_queries):
    settings.SESSIONKEEPER = {}
    with django_assert_num_queries(0):
        assert comes_with(old)[0].json()["user"] == ""
    assert OldSession.objects.exists()


@pytest.mark.parametrize("value", ["sessionkeeper.engine", "db", 5, ["a.b"]])
def test_the_setting_names_an_engine(settings, value):
    settings.SESSIONKEEPER = {"ADOPT": value}
    assert conf.current().adopt is None
    assert len(conf.problems()) == 1


@pytest.mark.promise("P-20")
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_first_requests_at_once_all_are_in_and_one_session_is_there(person, old):
    barrier, users, given = threading.Barrier(12), [], set()

    def request():
        barrier.wait()
        try:
            answer, client = comes_with(old)
            users.append(answer.json()["user"])
            given.add(client.cookies["sessionid"].value)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=request) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users == [person.get_username()] * 12
    assert (len(given), contents.count(), OldSession.objects.count()) == (1, 1, 0)
    assert AuditEvent.objects.filter(kind=events.Kind.ADOPTED).count() == 1
