"""The database has closed the connections that stood idle: the first to come is not refused for it."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connections
from django.urls import include, path

from sessionkeeper.core import keys
from sessionkeeper.core.errors import IdTaken
from sessionkeeper.models import AuditEvent, LoginAttempt, Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.conftest import PASSWORD, new_user
from tests.http import outage_site
from tests.http.outage_site import Visitor
from tests.stores import database, insert

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.usefixtures("any_database"),
    pytest.mark.urls(__name__),
    pytest.mark.rule("L03"),
]
urlpatterns = [
    *outage_site.urlpatterns,
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("auth/", include("sessionkeeper.pages.urls")),
]


@pytest.fixture
def close_idle():
    """A function that lets the server close all connections to the database of the test but its own."""
    with database("administrator") as alias:
        connections[alias].ensure_connection()

        def close():
            connections["default"].ensure_connection()
            with connections[alias].cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                assert cursor.fetchone()[0]

        yield close


@pytest.mark.parametrize("backend", ["django.contrib.auth.backends", "sessionkeeper.backends"])
@pytest.mark.parametrize("lockout", [True, False])
@pytest.mark.parametrize("page", ["/auth/login/", "/api/auth/login/", "/api/auth/tokens/"])
def test_the_first_sign_in_is_one(close_idle, settings, page, lockout, backend):
    settings.AUTHENTICATION_BACKENDS = [f"{backend}.ModelBackend"]
    settings.SESSIONKEEPER = {"LOCKOUT": lockout}
    user, client = new_user(), Visitor()
    given = {"username": user.get_username(), "password": PASSWORD}
    close_idle()
    answer = client.post(page, given, headers={"accept": "application/json"})
    assert answer.status_code in {200, 201, 302}
    assert AuditEvent.objects.filter(user_id=user.pk).exists()


def test_the_first_wrong_password_is_refused_and_counted(close_idle):
    user = new_user()
    close_idle()
    given = {"username": user.get_username(), "password": "wrong"}
    assert Visitor().post("/api/auth/login/", given).status_code == 401
    assert list(LoginAttempt.objects.filter(kind="account").values_list("failures", flat=True)) == [1]


def test_the_first_view_of_somebodys_own_that_signs_in_does(close_idle, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    user = new_user()
    close_idle()
    assert Visitor().page("login", name=user.get_username()).text == "signed in"


@pytest.mark.parametrize("page", ["/auth/password/reset/", "/api/auth/password/reset/"])
def test_the_first_password_reset_is_sent(close_idle, page):
    user = new_user()
    close_idle()
    assert Visitor().post(page, {"email": user.email}).status_code in {200, 204, 302}
    assert AuditEvent.objects.filter(kind="password_reset_requested").exists()


@pytest.mark.database_store_only("it is the row that is written")
def test_the_first_value_of_a_visitor_is_kept(close_idle):
    visitor = Visitor()
    close_idle()
    assert visitor.page("write").text == "written"
    assert visitor.page("lazily").json() == {"a": 1}
    assert Session.objects.count() == 1


class Lost:
    """A first INSERT whose answer never came, although the database did it, or never got it."""

    def __init__(self, *, done):
        self.done, self.times = done, 0

    def __call__(self, execute, sql, params, many, context):
        self.times += sql.startswith("INSERT")
        is_lost = sql.startswith("INSERT") and self.times == 1
        answer = execute(sql, params, many, context) if self.done or not is_lost else None
        if is_lost:
            raise OperationalError("server closed the connection unexpectedly")
        return answer


@pytest.mark.database_store_only("it is the row that is written")
def test_a_session_whose_first_insert_got_through_is_not_taken_for_another():
    store, lost = DatabaseStore(), Lost(done=True)
    connections["default"].ensure_connection()
    with connections["default"].execute_wrapper(lost):
        key = insert(store)
    assert lost.times == 2
    assert store.find(key.id).record.secret_hash == key.secret_hash


@pytest.mark.database_store_only("it is the row that is written")
def test_a_session_whose_id_is_another_ones_is_refused_at_the_second_try_too():
    store, lost = DatabaseStore(), Lost(done=False)
    key = insert(store)
    mine = keys.Key(key.id, keys.mint().secret)
    with connections["default"].execute_wrapper(lost), pytest.raises(IdTaken):
        insert(store, mine)
    assert lost.times == 2
    assert store.find(key.id).record.secret_hash == key.secret_hash
