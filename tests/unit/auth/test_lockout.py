"""Guesses at passwords are counted, at every door, and too many are refused unlooked at."""

from __future__ import annotations

import base64
import json

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin, auth
from django.contrib.auth.signals import user_login_failed
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.http import HttpResponse
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from rest_framework.authentication import BasicAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from sessionkeeper.auth import attempts, lockout
from sessionkeeper.core import records
from sessionkeeper.core.errors import StoreUnavailable, TooManyTries
from sessionkeeper.models import AuditEvent, LoginAttempt, Session
from tests.conftest import PASSWORD
from tests.unit.auth.guessing import TRIES, api, browser, by_view, is_refused, lock, stopped_clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]


def sign_in(request):
    """A view as people write it."""
    name = auth.get_user_model().USERNAME_FIELD
    user = auth.authenticate(request, **{name: request.POST["username"]}, password=request.POST["password"])
    if user is None:
        return HttpResponse("no", status=403)
    auth.login(request, user)
    return HttpResponse("yes")


async def sign_in_async(request):
    """The same, async."""
    name = auth.get_user_model().USERNAME_FIELD
    given = {name: request.POST["username"], "password": request.POST["password"]}
    user = await auth.aauthenticate(request, **given)
    if user is None:
        return HttpResponse("no", status=403)
    await auth.alogin(request, user)
    return HttpResponse("yes")


@api_view()
@authentication_classes([BasicAuthentication])
@permission_classes([IsAuthenticated])
def basic(request):
    return Response(str(request.user.pk))


urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("pages/", include("sessionkeeper.pages.urls")),
    path("admin/", admin.site.urls),
    path("view/", sign_in),
    path("async/", sign_in_async),
    path("basic/", basic),
]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


def token(client, name, password):
    """Ask for a token."""
    body = json.dumps({"username": name, "password": password})
    return client.post("/auth/tokens/", body, content_type="application/json")


def by_admin(client, name, password):
    """Sign in at the admin."""
    return client.post("/admin/login/?next=/admin/", {"username": name, "password": password})


def by_basic(client, name, password):
    """Send name and password along."""
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return client.get("/basic/", headers={"authorization": f"Basic {pair}"})


DOORS = {"api": api, "token": token, "admin": by_admin, "view": by_view, "basic": by_basic}


# Every door


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.rule("R32")
def test_after_five_failures_the_sixth_try_is_not_looked_at(make_user, door):
    user = make_user(is_staff=True)
    for _ in range(TRIES):
        assert not is_refused(door(browser(), user.get_username(), "wrong"))
    assert is_refused(door(browser(), user.get_username(), PASSWORD))
    assert not Session.objects.exists()


def test_failures_at_one_door_count_at_all_others(make_user):
    user = make_user(is_staff=True)
    for door in DOORS.values():
        door(browser(), user.get_username(), "wrong")
    for door in DOORS.values():
        assert is_refused(door(browser(), user.get_username(), PASSWORD))


def test_async_views_count_too(make_user):
    user = make_user()
    client = AsyncClient(headers={"sec-fetch-site": "same-origin"})
    given = {"username": user.get_username(), "password": "wrong"}
    for _ in range(TRIES):
        assert async_to_sync(client.post)("/async/", given).status_code == 403
    given["password"] = PASSWORD
    assert is_refused(async_to_sync(client.post)("/async/", given))


@pytest.mark.rule("R34")
def test_a_name_that_nobody_has_is_refused_like_one_that_somebody_has(make_user):
    somebody = make_user().get_username()
    answers = []
    for name in (somebody, "nobody@example.org"):
        lock(name)
        answers.append(api(browser(), name, PASSWORD))
    one, two = answers
    assert one.content == two.content
    assert (one.status_code, one["Retry-After"]) == (two.status_code, two["Retry-After"]) == (429, "60")


def test_with_django_alone_as_backend_failures_are_counted_and_our_doors_refuse(make_user, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    user = make_user(is_staff=True)
    for _ in range(TRIES):
        by_admin(browser(), user.get_username(), "wrong")
    assert is_refused(api(browser(), user.get_username(), PASSWORD))


def test_switched_off_nothing_is_counted(make_user, settings):
    settings.SESSIONKEEPER = {"LOCKOUT": False}
    name = make_user().get_username()
    lock(name, 2 * TRIES)
    assert api(browser(), name, PASSWORD).status_code == 200
    assert not LoginAttempt.objects.exists()


# Waiting


def test_each_further_failure_doubles_the_wait_up_to_an_hour(make_user, clock):
    name = make_user().get_username()
    lock(name)
    waits = []
    for _ in range(8):
        waits.append(int(api(browser(), name, "wrong")["Retry-After"]))
        clock.move(seconds=waits[-1] - 1)
        assert is_refused(api(browser(), name, "wrong"))
        clock.move(seconds=1)
        assert api(browser(), name, "wrong").status_code == 401
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


@pytest.mark.rule("R32")
def test_after_a_hundred_failures_in_a_row_only_somebody_who_unlocks_it_helps(make_user, clock, settings):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 10_000}
    name = make_user().get_username()
    for _ in range(records.MOST_FAILURES):
        assert api(browser(), name, "wrong").status_code == 401
        clock.move(hours=1)
    clock.move(days=300)
    assert is_refused(api(browser(), name, PASSWORD))
    list(attempts.purge())
    call_command("sessions", "unlock", name)
    assert api(browser(), name, PASSWORD).status_code == 200


def test_a_success_lets_the_account_begin_anew(make_user):
    name = make_user().get_username()
    for _ in range(3):
        lock(name, TRIES - 1)
        assert api(browser(), name, PASSWORD).status_code == 200


def test_basic_requests_that_go_well_cost_no_try(make_user):
    name = make_user().get_username()
    for _ in range(TRIES - 1):
        by_basic(browser(), name, "wrong")
    for _ in range(2 * TRIES):
        assert by_basic(browser(), name, PASSWORD).status_code == 200


# Spelling


@pytest.mark.parametrize("door", [by_admin, by_view, by_basic], ids=["admin", "view", "basic"])
@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(name="a\0b", password="x")
@example(name="x", password="a\0b")
@example(name="x" * 100_000, password="y" * 100_000)
@given(name=st.text(), password=st.text())
@pytest.mark.rule("R05")
def test_no_name_and_no_password_is_a_server_error_at_any_door(door, name, password):
    name, password = (text.encode("utf-8", "replace").decode() for text in (name, password))
    assert door(browser(), name, password).status_code < 500


@pytest.mark.rule("R37")
def test_a_password_that_is_too_long_is_never_hashed(make_user, monkeypatch):
    user = make_user()
    monkeypatch.setattr(type(user), "check_password", lambda *args: pytest.fail("hashed"))
    monkeypatch.setattr(type(user), "set_password", lambda *args: pytest.fail("hashed"))
    for name in (user.get_username(), "nobody"):
        assert by_view(browser(), name, "x" * 4097).status_code == 403


# Strangers


@pytest.mark.rule("R33")
def test_a_stranger_locks_nobody_out_of_a_live_session(make_user):
    user, here = make_user(), browser()
    api(here, user.get_username(), PASSWORD)
    lock(user.get_username())
    assert here.get("/auth/session/").status_code == 200
    again = here.post("/auth/reauthenticate/", {"password": PASSWORD}, content_type="application/json")
    assert again.status_code == 200


@pytest.mark.rule("R33")
def test_a_stranger_locks_nobody_out_of_a_known_device(make_user):
    user, here = make_user(), browser()
    api(here, user.get_username(), PASSWORD)
    here.post("/auth/logout/")
    lock(user.get_username())
    assert is_refused(api(browser(), user.get_username(), PASSWORD))
    assert api(here, user.get_username(), PASSWORD).status_code == 200


def test_a_known_device_has_a_count_of_its_own_and_no_more(make_user):
    user, here = make_user(), browser()
    api(here, user.get_username(), PASSWORD)
    here.post("/auth/logout/")
    for _ in range(TRIES):
        assert api(here, user.get_username(), "wrong").status_code == 401
    assert is_refused(api(here, user.get_username(), PASSWORD))
    assert api(browser(), user.get_username(), PASSWORD).status_code == 200


def test_guesses_in_a_stolen_session_are_counted_for_it(make_user):
    user, here = make_user(), browser()
    api(here, user.get_username(), PASSWORD)
    for page, body in (
        ("reauthenticate", {"password": "wrong"}),
        ("password/change", {"current_password": "wrong", "new_password": "long and new words"}),
    ) * 3:
        response = here.post(f"/auth/{page}/", body, content_type="application/json")
    assert is_refused(response)


# Sources


@pytest.mark.rule("R33")
def test_spraying_from_one_network_is_limited_whoever_is_named(make_user, settings):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 10}
    for number in range(10):
        assert api(browser(f"192.0.2.{number}"), f"name{number}", "wrong").status_code == 401
    assert is_refused(api(browser("192.0.2.200"), make_user().get_username(), PASSWORD))
    assert api(browser("192.0.3.1"), make_user().get_username(), PASSWORD).status_code == 200


def test_of_ipv6_a_network_has_64_bits(make_user, settings):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 1}
    api(browser("2001:db8:1:2::1"), "name", "wrong")
    assert is_refused(api(browser("2001:db8:1:2:ffff::9"), "other", "wrong"))
    assert api(browser("2001:db8:1:3::1"), "other", "wrong").status_code == 401


def test_a_source_gets_its_tries_back_one_by_one(settings, clock):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 10}
    for number in range(10):
        api(browser(), f"name{number}", "wrong")
    clock.move(minutes=6)
    assert api(browser(), "one-more", "wrong").status_code == 401
    assert is_refused(api(browser(), "and-another", "wrong"))


def test_success_costs_a_source_nothing_and_gives_nothing_back(make_user, settings):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 2}
    user = make_user()
    api(browser(), "name", "wrong")
    for _ in range(4):
        assert api(browser(), user.get_username(), PASSWORD).status_code == 200
    assert api(browser(), "name", "wrong").status_code == 401
    assert is_refused(api(browser(), user.get_username(), PASSWORD))


# What is written


@pytest.mark.rule("R38")
def test_a_lockout_is_in_the_audit_trail_and_what_is_refused_then_is_not(make_user):
    user = make_user()
    lock(user.get_username())
    event = AuditEvent.objects.get(kind="locked_out")
    assert (event.user_id, event.reason, event.detail["wait"]) == (user.pk, "account", 60)
    number = AuditEvent.objects.count()
    for _ in range(5):
        api(browser(), user.get_username(), PASSWORD)
    assert AuditEvent.objects.count() == number


def test_no_row_holds_a_name_as_it_was_typed(make_user):
    lock("correct-horse@example.org")
    assert "correct" not in str(list(LoginAttempt.objects.values()))


def test_refusing_costs_three_statements_which_write_nothing_and_no_hash(make_user, monkeypatch):
    user = make_user()
    lock(user.get_username())
    monkeypatch.setattr(type(user), "check_password", lambda *args: pytest.fail("hashed"))
    client, before = browser(), [*LoginAttempt.objects.order_by("pk").values()]
    with CaptureQueriesContext(connection) as captured:
        assert is_refused(by_view(client, user.get_username(), PASSWORD))
    kinds = [query["sql"].split()[0] for query in captured]
    if connection.vendor == "mysql":
        assert kinds == ["SELECT", "SELECT"]
    else:
        assert kinds == ["SELECT", "INSERT", "SELECT"]  # who it is, what counts nothing, how long to wait
    assert [*LoginAttempt.objects.order_by("pk").values()] == before


def test_a_sign_in_costs_three_statements_more_where_guesses_are_counted(make_user):
    user = make_user()
    by_view(browser(), user.get_username(), PASSWORD)  # makes the rows
    with CaptureQueriesContext(connection) as captured:
        by_view(browser(), user.get_username(), PASSWORD)
    table = LoginAttempt._meta.db_table
    counting = [query["sql"].split()[0] for query in captured if table in query["sql"]]
    # MySQL and MariaDB read the three rows, and count each in a statement of its own.
    count = ["SELECT", *["UPDATE"] * 3] if connection.vendor == "mysql" else ["INSERT"]
    assert counting == [*count, "UPDATE"]
    users = auth.get_user_model()._meta.db_table
    looked_up = [query["sql"] for query in captured if f'FROM "{users}"' in query["sql"].replace("`", '"')]
    assert len(looked_up) == 2  # to count, and by the backend


def test_a_purge_forgets_what_has_no_effect_any_more(make_user, clock):
    lock("somebody")
    api(browser(), make_user().get_username(), PASSWORD)
    assert LoginAttempt.objects.count() == 6
    clock.move(hours=2)
    assert sum(attempts.purge(batch=1)) == 4  # two sources, and account and name that signed in
    clock.move(days=31)
    assert sum(attempts.purge()) == 2


# Password resets


def reset(client):
    """Ask for the mail, by the API."""
    body = json.dumps({"email": "somebody@example.org"})
    return client.post("/auth/password/reset/", body, content_type="application/json")


def try_token(client):
    """Try the token of a mail, by the API."""
    body = json.dumps({"uid": "MQ", "token": "x-y", "new_password": "mad-hatters-unbirthday"})
    return client.post("/auth/password/reset/confirm/", body, content_type="application/json")


def by_page(client):
    """Ask for the mail, at the page."""
    return client.post("/pages/password/reset/", {"email": "somebody@example.org"})


@pytest.mark.parametrize("door", [reset, try_token, by_page])
def test_an_address_has_ten_resets_a_minute_at_all_doors_together(clock, door):
    for other in [reset, try_token, by_page, reset, by_page] * 2:
        assert other(browser()).status_code in {204, 302, 400}
    refused = door(browser())
    assert is_refused(refused)
    assert refused["Retry-After"] == "6"
    assert "Traceback" not in refused.text
    assert door(browser("192.0.2.2")).status_code in {204, 302, 400}
    clock.move(seconds=6)
    assert door(browser()).status_code in {204, 302, 400}
    assert is_refused(door(browser()))
    clock.move(minutes=1)
    assert not any(is_refused(door(browser())) for _ in range(10))


def test_resets_cost_no_sign_in_and_are_forgotten_after_a_day(make_user, clock, settings):
    settings.SESSIONKEEPER = {"SOURCE_TRIES": 1}
    for _ in range(10):
        reset(browser())
    assert api(browser(), make_user().get_username(), PASSWORD).status_code == 200
    assert not LoginAttempt.objects.filter(kind="reset").exclude(source="").exists()
    clock.move(hours=23)
    list(attempts.purge())
    assert LoginAttempt.objects.filter(kind="reset").exists()
    clock.move(hours=2)
    list(attempts.purge())
    assert not LoginAttempt.objects.filter(kind="reset").exists()


# Rollbacks


@pytest.mark.django_db(transaction=True)
def test_a_view_that_is_rolled_back_does_not_uncount_its_failures(make_user, settings):
    user = make_user()

    def view(request):
        with transaction.atomic():
            response = sign_in(request)
            transaction.set_rollback(True)
        return response

    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("view/", view)]})
    for _ in range(TRIES):
        assert by_view(browser(), user.get_username(), "wrong").status_code == 403
    assert is_refused(by_view(browser(), user.get_username(), PASSWORD))


@pytest.mark.django_db(transaction=True)
def test_a_count_that_was_rolled_back_is_not_given_back(make_user):
    """The outcome is not known, and what would be given back is an earlier failure."""
    name = make_user().get_username()
    lock(name, 2)
    given = {"username": name, "password": "x"}
    with transaction.atomic():
        lockout.begin(None, given)
        transaction.set_rollback(True)
    lockout.settle()
    assert LoginAttempt.objects.get(kind="account").failures == 2


def test_a_try_that_an_outage_kept_from_being_counted_is_not_given_back(make_user, monkeypatch):
    name = make_user().get_username()
    lock(name, 2)

    def fail(*args, **options):
        raise StoreUnavailable

    monkeypatch.setattr(attempts, "consume", fail)
    with pytest.raises(StoreUnavailable):
        lockout.begin(None, {"username": name, "password": "x"})
    lockout.settle()
    assert LoginAttempt.objects.get(kind="account").failures == 2


def test_a_guess_that_was_counted_is_not_counted_again(make_user):
    user, name = make_user(), auth.get_user_model().USERNAME_FIELD
    given = {name: user.get_username(), "password": "wrong"}
    first = lockout.begin(None, given)
    assert lockout.begin(None, given) is first
    user_login_failed.send(sender=__name__, credentials={name: user.get_username()}, request=None)
    assert set(LoginAttempt.objects.values_list("failures", flat=True)) == {1}


def test_the_error_says_how_long(make_user):
    name = make_user().get_username()
    lock(name)
    with pytest.raises(TooManyTries, match="in 60 s") as info:
        lockout.begin(None, {"username": name, "password": "x"})
    assert info.value.retry_after == 60


# How it is counted


@pytest.mark.parametrize(
    ("routes", "route"),
    [
        *(("api", route) for route in ("login", "tokens", "reauthenticate", "password-change")),
        *(("api", route) for route in ("password-reset", "password-reset-confirm")),
        *(("pages", route) for route in ("login", "reauthenticate", "password-change", "password-reset")),
    ],
)
def test_our_views_that_count_are_in_no_transaction_of_the_request(routes, route):
    from django.urls import resolve, reverse

    view = resolve(reverse(f"sessionkeeper-{routes}:{route}")).func
    assert view._non_atomic_requests == set(connections)


def test_the_wait_is_reckoned_before_the_count_is_raised(monkeypatch):
    """MySQL and MariaDB let an assignment of an UPDATE see those before it."""
    monkeypatch.setattr(attempts, "_returns_what_it_counts", lambda: False)
    [key, *_] = lockout.keys_of("alice")
    with CaptureQueriesContext(connection) as queries:
        assert not attempts.consume([(key, attempts.ACCOUNT)], "", attempts.now()).wait
        attempts.give_back({key: 1})
    for query in queries:
        if query["sql"].startswith("UPDATE"):
            assert query["sql"].partition(" SET ")[2].lstrip('"`').startswith("until")
