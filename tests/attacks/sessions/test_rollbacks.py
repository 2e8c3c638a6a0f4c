"""A transaction that is rolled back: what it undid is not believed, and what protects the user stays done.

With ``ATOMIC_REQUESTS``, each view is a transaction, and REST framework rolls it back with every error.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from importlib import import_module

import pytest
from django.contrib import auth
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.http import HttpResponse
from django.test import Client, TestCase
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from sessionkeeper.auth import flows
from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.models import AuditEvent, LoginAttempt, Session, Tombstone
from sessionkeeper.stores.database.store import DatabaseStore
from tests.conftest import PASSWORD, store_of_the_suite
from tests.stores import sqlite_file
from tests.unit.engine.adopting import OLD, make_old

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
    pytest.mark.rule("R64"),
]
follows_the_transaction = pytest.mark.database_store_only("a rollback undoes nothing in Valkey")
BACKEND = "django.contrib.auth.backends.ModelBackend"
OURS, DJANGOS = (
    "sessionkeeper.middleware.SessionMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
)
with_our_middleware = pytest.mark.parametrize("browser", [OURS], ids=["ours"], indirect=True)
ACTIONS = {}


class Api(APIView):
    """Does what the test says, with REST framework's own rules for errors."""

    authentication_classes = []
    permission_classes = []

    def get_exception_handler(self):
        """Return REST framework's."""
        from rest_framework.views import exception_handler

        return exception_handler

    def post(self, request):
        """Act."""
        return ACTIONS["it"](request._request) or Response("done")

    get = post


def view(request):
    return ACTIONS["it"](request) or HttpResponse("done")


def who(request):
    names = sorted(name for name in dict(request.session.items()) if name[0] != "_")
    return HttpResponse(f"{request.user.pk} {names}")


urlpatterns = [
    path("api/", Api.as_view()),
    path("view/", view),
    path("who/", who),
    path("auth/", include("sessionkeeper.api.urls")),
]


@pytest.fixture(autouse=True)
def _atomic_requests():
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


class Browser(Client):
    """A browser, whose requests come from the site's own pages."""

    def __init__(self, **options):
        super().__init__(headers={"sec-fetch-site": "same-origin"}, **options)

    def do(self, action, url="/view/"):
        """Run a function as a view."""
        ACTIONS["it"] = action
        return self.post(url)

    def fail(self, action):
        """Run a function as a view of REST framework which then finds the input invalid."""

        def act(request):
            action(request)
            raise ValidationError("no")

        answer = self.do(act, "/api/")
        assert answer.status_code == 400
        return answer

    @property
    def key(self):
        """The key in the cookie, or None."""
        morsel = self.cookies.get("sessionid")
        return morsel.value if morsel and morsel.value else None

    def who(self):
        """Return who is signed in, and what the session holds."""
        return self.get("/who/").text

    def is_sound(self):
        """Whether the cookie has a key that opens a session, or there is none."""
        key = keys.parse(self.key)
        return key is None or Session.objects.filter(pk=key.id, secret_hash=key.secret_hash).exists()


@pytest.fixture(params=[OURS, DJANGOS], ids=["ours", "django's"])
def browser(request, settings):
    """A browser, with our middleware and with Django's."""
    settings.MIDDLEWARE = [request.param if one == OURS else one for one in settings.MIDDLEWARE]
    return Browser()


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def signed_in(browser, user):
    """A browser in which the user is signed in."""
    browser.force_login(user, BACKEND)
    return browser


def login(user):
    return lambda request: auth.login(request, user, BACKEND)


def put(**values):
    return lambda request: request.session.update(values)


# What is in the session


@follows_the_transaction
def test_a_key_that_was_changed_and_changed_back_is_the_one_that_opens_the_session(signed_in, user):
    before = signed_in.key
    signed_in.fail(lambda request: request.session.cycle_key())
    assert signed_in.key == before
    assert signed_in.who() == f"{user.pk} []"


def change_and_put(request):
    request.session.cycle_key()
    request.session["basket"] = 1


def put_and_change(request):
    request.session["basket"] = 1
    request.session.cycle_key()


def put_and_save(request):
    request.session["basket"] = 1
    request.session.save()


def save_without_a_mark(request):
    put_and_save(request)
    request.session.modified = False


@pytest.mark.parametrize(
    "action",
    [
        put(basket=1),
        put_and_save,
        pytest.param(save_without_a_mark, marks=follows_the_transaction),
        change_and_put,
        put_and_change,
    ],
)
@pytest.mark.parametrize("kind", ["new", "known", "signed in"])
def test_what_was_put_into_the_session_stays(browser, user, kind, action):
    if kind == "signed in":
        browser.force_login(user, BACKEND)
    if kind == "known":
        browser.do(put(before=1))
    browser.fail(action)
    assert browser.is_sound() or store_of_the_suite() is not None
    assert "'basket'" in browser.who()
    assert ("'before'" in browser.who()) is (kind == "known")


def test_the_session_may_be_changed_again_and_again(browser):
    def act(request):
        for number in range(4):
            with transaction.atomic():
                request.session[f"n{number}"] = number
                request.session.cycle_key()
                with transaction.atomic():
                    request.session.save()
                    transaction.set_rollback(number % 2 == 0)
                transaction.set_rollback(number % 3 == 0)

    browser.do(act)
    assert browser.who() == "None ['n0', 'n1', 'n2', 'n3']"
    browser.fail(act)
    assert browser.who() == "None ['n0', 'n1', 'n2', 'n3']"


# Signing in


@follows_the_transaction
@pytest.mark.parametrize("how", ["Django's", "ours", "ours, remembered"])
def test_a_sign_in_that_was_undone_did_not_happen(browser, user, how):
    def act(request):
        request.session["before"] = 1
        if how == "Django's":
            auth.login(request, user, BACKEND)
        else:
            user.backend = BACKEND
            flows.complete_log_in(request, user, amr="pwd", remember="remembered" not in how, label="Mine")
        request.session["mine"] = 1

    browser.fail(act)
    assert browser.is_sound()
    assert browser.who() == "None ['before']"
    [session] = Session.objects.all()
    assert (session.user_id, session.amr, session.label) == (None, "", "")


@follows_the_transaction
def test_nothing_is_left_of_a_sign_in_that_was_undone(browser, user):
    browser.fail(login(user))
    assert browser.key is None
    assert not Session.objects.exists()
    assert "sessionid-device-key" not in browser.cookies


@pytest.mark.parametrize("kind", ["new", "known"])
def test_after_a_sign_in_that_was_undone_the_next_one_succeeds(browser, user, kind):
    if kind == "known":
        browser.do(put(before=1))
    for _ in range(2):
        browser.fail(login(user))
    given = {"username": user.get_username(), "password": PASSWORD}
    for _ in range(2):
        assert browser.post("/auth/login/", given, "application/json").status_code == 200
    assert browser.who().startswith(str(user.pk))


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_a_sign_in_that_is_tried_again_in_one_request_succeeds(browser, user, tries):
    def act(request):
        for number in range(tries):
            with transaction.atomic():
                auth.login(request, user, BACKEND)
                request.session.save()
                transaction.set_rollback(number < tries - 1)

    browser.do(act)
    assert browser.is_sound() or store_of_the_suite() is not None
    assert browser.who() == f"{user.pk} []"


@follows_the_transaction
def test_an_error_that_is_caught_outside_of_the_transaction_leaves_nobody_signed_in(browser, user, settings):
    def act(request):
        request.session["before"] = 1
        with suppress(IntegrityError), transaction.atomic():
            auth.login(request, user, BACKEND)
            request.session["mine"] = 1
            raise IntegrityError
        request.session["after"] = 1
        return HttpResponse(f"{request.user.pk}")

    answer = browser.do(act)
    assert answer.text == "None" or DJANGOS in settings.MIDDLEWARE
    assert browser.who() == "None ['after', 'before']"
    assert browser.is_sound()


@follows_the_transaction
def test_another_user_may_sign_in_after_it(browser, user, make_user):
    other = make_user()

    def act(request):
        with transaction.atomic():
            auth.login(request, user, BACKEND)
            transaction.set_rollback(True)
        auth.login(request, other, BACKEND)

    browser.do(put(before=1))
    browser.do(act)
    assert browser.who() == f"{other.pk} ['before']"


@follows_the_transaction
def test_a_sign_in_that_was_undone_ends_the_session_of_another_user_for_good(signed_in, user, make_user):
    signed_in.do(put(private=1))
    copy = Browser()
    copy.cookies["sessionid"] = signed_in.key
    signed_in.fail(login(make_user()))
    assert signed_in.who() == "None []"
    assert copy.who() == "None []"


@follows_the_transaction
def test_the_same_user_stays_signed_in_when_a_second_sign_in_is_undone(signed_in, user):
    signed_in.do(put(before=1))
    before = signed_in.key
    signed_in.fail(login(user))
    assert signed_in.key == before
    assert signed_in.who() == f"{user.pk} ['before']"


@follows_the_transaction
def test_a_proof_that_was_undone_is_none(signed_in, user, monkeypatch):
    monkeypatch.setattr(Api, "authentication_classes", [SessionAuthentication])
    Session.objects.update(authenticated_at=Session.objects.get().created_at - timedelta(hours=2))

    def void(request):
        request.session["_sessionkeeper_proof_is_void"] = True

    def prove(request):
        flows.complete_reauthentication(request, amr="pwd")

    answer = {}

    def ask(request):
        answer["recent"] = flows.is_recent(request)
        answer["void"] = "_sessionkeeper_proof_is_void" in request.session

    signed_in.do(void)
    signed_in.fail(prove)
    signed_in.do(ask)
    assert answer == {"recent": False, "void": True}


@follows_the_transaction
@pytest.mark.parametrize("kind", ["not loaded", "loaded", "early"])
def test_a_password_that_was_changed_back_leaves_the_user_signed_in(signed_in, user, kind):
    def act(request):
        if kind != "not loaded":
            assert request.session["_auth_user_id"]
        user.set_password("another one")
        user.save()
        if kind == "early":
            request.session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
        request.user = user
        auth.update_session_auth_hash(request, user)

    signed_in.fail(act)
    assert signed_in.who() == f"{user.pk} []"


@follows_the_transaction
@pytest.mark.parametrize("url", ["/api/", "/view/"])
def test_a_session_that_was_ended_and_brought_back_is_found_again(signed_in, user, url):
    def act(request):
        Session.objects.all().delete()
        assert request.session.get("_auth_user_id") is None
        request.session["basket"] = 1
        transaction.set_rollback(True)

    signed_in.do(act, url)
    assert signed_in.who() == f"{user.pk} ['basket']"


def test_the_cookie_of_a_session_that_is_gone_is_taken_after_a_rollback_too(browser):
    browser.do(put(before=1))
    copy = Browser()
    copy.cookies["sessionid"] = browser.key
    browser.do(log_out)
    copy.fail(lambda request: request.session.get("before"))
    assert copy.key is None


@with_our_middleware
@pytest.mark.parametrize("atomic", [True, False])
def test_a_query_of_the_sign_in_that_is_not_answered_is_an_outage(signed_in, user, monkeypatch, atomic):
    def fail(*_, **__):
        raise OperationalError("the connection was lost")

    connection.settings_dict["ATOMIC_REQUESTS"] = atomic
    monkeypatch.setattr(type(user), "save", fail)
    signed_in.raise_request_exception = False
    assert signed_in.do(login(user)).status_code == 503


# Signing out


def log_out(request):
    auth.logout(request)


def flush(request):
    request.session.flush()


def flush_after_a_look(request):
    assert request.session["_auth_user_id"]
    request.session.flush()


def delete(request):
    assert request.session["_auth_user_id"]
    request.session.delete()


@pytest.mark.parametrize("action", [log_out, flush, flush_after_a_look, delete])
def test_who_signed_out_is_out_although_the_transaction_was_rolled_back(browser, user, action):
    browser.force_login(user, BACKEND)
    copy = Browser()
    copy.cookies["sessionid"] = browser.key
    browser.fail(action)
    assert copy.who() == "None []"
    assert not Session.objects.exists()


@with_our_middleware
@follows_the_transaction
@pytest.mark.parametrize("url", ["/api/", "/view/"])
def test_a_sign_out_that_cannot_be_made_good_is_an_error_and_the_cookie_stays(
    signed_in, user, monkeypatch, url
):
    real = DatabaseStore.revoke

    def revoke(self, *args):
        if connection.in_atomic_block:
            return real(self, *args)
        raise StoreUnavailable

    def act(request):
        auth.logout(request)
        transaction.set_rollback(True)

    monkeypatch.setattr(DatabaseStore, "revoke", revoke)
    before = signed_in.key
    answer = signed_in.do(act, url)
    assert answer.status_code == 503
    assert signed_in.key == before
    monkeypatch.undo()
    assert signed_in.who() == f"{user.pk} []"
    signed_in.do(log_out)
    assert signed_in.key is None


@follows_the_transaction
def test_a_sign_out_that_was_committed_is_not_made_twice(signed_in, monkeypatch):

    calls, real = [], DatabaseStore.revoke
    monkeypatch.setattr(DatabaseStore, "revoke", lambda self, *args: calls.append(args) or real(self, *args))
    connection.settings_dict["ATOMIC_REQUESTS"] = False
    signed_in.fail(log_out)
    assert len(calls) == 1


@follows_the_transaction
def test_who_signed_out_and_in_again_before_a_rollback_is_out(signed_in, user):
    def act(request):
        auth.logout(request)
        request.session["after"] = 1
        auth.login(request, user, BACKEND)

    signed_in.fail(act)
    assert signed_in.who() == "None ['after']"
    assert signed_in.is_sound()


# What protects the user


@follows_the_transaction
def test_a_copy_that_was_detected_stays_detected(user, settings):
    settings.SESSIONKEEPER = {"ROTATE_AFTER": 1}
    owner, thief = Browser(), Browser()
    owner.force_login(user, BACKEND)
    thief.cookies["sessionid"] = owner.key
    early = Session.objects.get().created_at - timedelta(hours=1)
    Session.objects.update(authenticated_at=early, last_seen_at=early)
    for _ in range(2):
        owner.get("/who/")
    Session.objects.update(previous_at=early)
    assert owner.key != thief.key

    def act(request):
        assert "_auth_user_id" not in request.session
        raise AuthenticationFailed

    ACTIONS["it"] = act
    assert thief.get("/api/").status_code in {401, 403}
    assert not Session.objects.exists()
    assert AuditEvent.objects.filter(kind="copy_detected").exists()


@pytest.mark.parametrize("guesses", [1, 2])
def test_guesses_at_a_view_that_is_rolled_back_are_all_counted(user, settings, guesses):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    name = auth.get_user_model().USERNAME_FIELD

    def act(request):
        for number in range(guesses):
            given = {name: user.get_username(), "password": f"wrong {number}"}
            assert auth.authenticate(request, **given) is None
        raise AuthenticationFailed

    for number in range(2):
        assert Browser().do(act, "/api/").status_code in {401, 403}
        counted = LoginAttempt.objects.filter(kind="account").values_list("failures", flat=True)
        assert list(counted) == [guesses * (number + 1)]


def test_a_guess_in_a_part_that_was_rolled_back_is_counted(user, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    name = auth.get_user_model().USERNAME_FIELD

    def act(request):
        with transaction.atomic():
            auth.authenticate(request, **{name: user.get_username(), "password": "wrong"})
            transaction.set_rollback(True)
        auth.authenticate(request, **{name: user.get_username(), "password": "wrong too"})

    Browser().do(act)
    assert LoginAttempt.objects.get(kind="account").failures == 2


class Broken:
    """A backend that fails for some passwords."""

    def authenticate(self, request, password=None, **_):
        """Fail."""
        if password == "\0":
            raise ValueError

    def get_user(self, pk):
        """Return nobody."""


def test_a_request_that_fails_takes_no_other_guess_back(user, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend", f"{__name__}.Broken"]
    name = auth.get_user_model().USERNAME_FIELD

    def guess(password):
        browser = Browser(raise_request_exception=False)
        given = {name: user.get_username(), "password": password}
        return browser.do(lambda request: auth.authenticate(request, **given) and None).status_code

    assert [guess("wrong"), guess("\0"), guess("\0")] == [200, 500, 500]
    assert LoginAttempt.objects.get(kind="account").failures == 1


def test_a_right_password_is_no_guess_although_its_sign_in_was_undone(user, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    name = auth.get_user_model().USERNAME_FIELD
    connection.settings_dict["ATOMIC_REQUESTS"] = False

    def act(request):
        found = auth.authenticate(request, **{name: user.get_username(), "password": PASSWORD})
        with transaction.atomic():
            auth.login(request, found)
            transaction.set_rollback(True)

    assert Browser().do(act).status_code == 200
    assert not LoginAttempt.objects.filter(failures__gt=0).exists()


@pytest.mark.parametrize("door", ["login", "tokens"])
def test_guesses_at_our_own_api_are_counted(user, settings, door):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    given = {"username": user.get_username(), "password": "wrong"}
    for _ in range(2):
        assert Browser().post(f"/auth/{door}/", given, "application/json").status_code == 401
    assert LoginAttempt.objects.get(kind="account").failures == 2


# Other engines' sessions, other databases


@follows_the_transaction
@pytest.mark.parametrize("kind", ["anonymous", "signed in"])
def test_a_session_that_was_adopted_and_given_back_is_adopted_by_the_next_request(user, settings, kind):
    settings.SESSIONKEEPER = {"ADOPT": OLD + "db"}
    old = make_old(import_module(OLD + "db"), user if kind == "signed in" else None)
    browser = Browser()
    browser.cookies["sessionid"] = old
    browser.fail(put(fruit="pear"))
    who = user.pk if kind == "signed in" else None
    assert browser.who() == f"{who} ['basket', 'fruit']"
    assert browser.is_sound()
    assert browser.key != old


@follows_the_transaction
@pytest.mark.usefixtures("any_database")
def test_a_database_that_is_not_rolled_back_keeps_what_it_has(browser, user, settings, tmp_path):
    with sqlite_file("sessions", tmp_path / "sessions.sqlite3"):
        connections["sessions"].settings_dict["ATOMIC_REQUESTS"] = False
        settings.SESSIONKEEPER = {"STORE": "database:sessions", "AUDIT": False}
        browser.do(put(before=1))
        before = browser.key

        def act(request):
            request.session.cycle_key()
            request.session["basket"] = 1
            request.session.save()

        browser.fail(act)
        assert browser.key != before
        assert browser.who() == "None ['basket', 'before']"
        assert Session.objects.using("sessions").count() == 1


@follows_the_transaction
@pytest.mark.usefixtures("any_database")
def test_a_database_is_rolled_back_alone(browser, settings, tmp_path):
    with sqlite_file("sessions", tmp_path / "sessions.sqlite3"):
        settings.SESSIONKEEPER = {"STORE": "database:sessions", "AUDIT": False}
        browser.do(put(before=1))
        before = browser.key

        def act(request):
            with transaction.atomic(using="sessions"):
                request.session.cycle_key()
                request.session["basket"] = 1
                request.session.save()
                transaction.set_rollback(True, using="sessions")

        browser.do(act)
        assert browser.key == before
        assert browser.who() == "None ['basket', 'before']"


def test_what_was_done_in_valkey_stands(browser, user):
    if store_of_the_suite() is None:
        pytest.skip("the sessions are in the database")

    def act(request):
        user.backend = BACKEND
        flows.complete_log_in(request, user, amr="pwd")

    browser.fail(act)
    assert browser.who() == f"{user.pk} []"


def test_the_record_of_an_end_in_valkey_is_written_again(signed_in):
    """Without it, a failover could bring the session back."""
    if store_of_the_suite() is None:
        pytest.skip("the sessions are in the database")
    signed_in.fail(log_out)
    assert Tombstone.objects.count() == 1


# The moments after a commit


@follows_the_transaction
def test_a_hook_of_the_commit_finds_the_session_as_it_was_committed(signed_in, user):
    found = {}

    def hook(request):
        found["key"] = request.session.session_key
        request.session["hook"] = 1
        request.session.save()

    def act(request):
        transaction.on_commit(lambda: hook(request))
        request.session["basket"] = 1
        request.session.cycle_key()
        request.session.save()

    signed_in.do(act)
    assert found["key"] == signed_in.key
    assert signed_in.who() == f"{user.pk} ['basket', 'hook']"


@with_our_middleware
@follows_the_transaction
def test_a_hook_that_fails_after_the_commit_undoes_nothing(signed_in, user):
    def fail():
        raise ValueError

    def act(request):
        transaction.on_commit(fail)
        request.session["basket"] = 1
        request.session.cycle_key()
        request.session.save()

    before = signed_in.key
    signed_in.raise_request_exception = False
    assert signed_in.do(act).status_code == 500
    assert signed_in.key != before
    assert signed_in.who() == f"{user.pk} ['basket']"


@pytest.mark.postgres
@follows_the_transaction
def test_a_connection_that_is_lost_in_a_transaction_has_committed_nothing(signed_in, user):
    connection.settings_dict["ATOMIC_REQUESTS"] = False
    before = signed_in.key

    def act(request):
        with transaction.atomic(durable=True):
            request.session.cycle_key()
            request.session["basket"] = 1
            request.session.save()
            connection.close()

    signed_in.do(act)
    assert signed_in.key == before
    assert signed_in.who() == f"{user.pk} ['basket']"


class InATest(TestCase):
    """Django's own test case, a transaction that is rolled back when nobody looks any more."""

    def test_what_a_request_saves_adds_no_callback_to_those_of_the_site(self):
        """A project counts its own callbacks in its tests."""
        browser = Browser()
        connection.settings_dict["ATOMIC_REQUESTS"] = False
        with self.captureOnCommitCallbacks() as callbacks:
            browser.do(put_and_save)
            browser.do(put_and_change)
        assert callbacks == []
        assert "'basket'" in browser.who()

    def test_an_error_of_our_api_leaves_the_test_its_transaction(self):
        """Our endpoints that count guesses have no transaction of their own to roll back."""
        for door in ("login", "tokens", "password/reset/confirm"):
            assert Browser().post(f"/auth/{door}/", {}, "application/json").status_code == 400
            assert not Session.objects.exists()

    def test_requests_that_are_rolled_back_are_as_on_a_server(self):
        browser = Browser()
        browser.do(put(before=1))
        before = browser.key
        browser.fail(put_and_change)
        if store_of_the_suite() is None:
            assert browser.key == before
        assert browser.who() == "None ['basket', 'before']"
