"""A PostgreSQL that takes no writes: a standby, a full disk. Who is signed in goes on, and writes are 503."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test import Client
from django.urls import include, path

from sessionkeeper.core import keys
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent, LoginAttempt, Session
from tests import contents
from tests.conftest import PASSWORD, new_user
from tests.http import outage_site
from tests.http.outage_site import Visitor, assert_outage

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.usefixtures("any_database"),
    pytest.mark.urls(__name__),
    pytest.mark.database_store_only("it is the database that takes no writes"),
    pytest.mark.rule("L14"),
]
BACKENDS = ["django.contrib.auth.backends.ModelBackend", "sessionkeeper.backends.ModelBackend"]

urlpatterns = [
    *outage_site.urlpatterns,
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("auth/", include("sessionkeeper.pages.urls")),
]


@pytest.fixture
def make_read_only():
    """A function that makes the database read-only for all connections that begin from now on."""

    def set_to(value):
        connection = connections["default"]
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
        connection.close()

    yield set_to
    connections["default"].close()
    set_to("off")


@pytest.fixture
def alice(settings, make_read_only):
    """Somebody who is signed in, while the database turns read-only."""
    settings.AUTHENTICATION_BACKENDS = BACKENDS[1:]
    visitor = Visitor()
    visitor.user = new_user()
    assert visitor.page("login", name=visitor.user.get_username()).status_code == 200
    make_read_only("on")
    return visitor


def is_in(visitor, page="me"):
    return visitor.page(page).text == f"you are {visitor.user.pk}"


def backend_pid():
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("page", ["me", "me/async", "members"])
def test_who_is_signed_in_goes_on(alice, page):
    assert is_in(alice, page)


def test_a_touch_that_is_due_is_left_out(alice, make_read_only, caplog):
    make_read_only("off")
    contents.set_back("last_seen_at", hours=1)
    before = contents.record().last_seen_at
    make_read_only("on")
    assert is_in(alice)
    assert "touch failed" in caplog.text
    assert contents.record().last_seen_at == before
    make_read_only("off")
    assert is_in(alice)
    assert contents.record().last_seen_at > before


@pytest.mark.parametrize("page", ["write", "logout"])
def test_a_write_is_503_and_the_session_goes_on(alice, page):
    assert_outage(alice.page(page))
    assert is_in(alice)


def login(client, way, name, password=PASSWORD):
    given = {"username": name, "password": password}
    if way == "a view of somebody's own":
        return client.page("login", name=name)
    return client.post(way, given, headers={"accept": "application/json"})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "way", ["/auth/login/", "/api/auth/login/", "/api/auth/tokens/", "a view of somebody's own"]
)
def test_a_sign_in_is_503_and_signs_nobody_in(alice, settings, make_read_only, way, backend):
    settings.AUTHENTICATION_BACKENDS = [backend]
    client = Visitor()
    refused = login(client, way, alice.user.get_username())
    assert refused.status_code == 503
    assert "sessionid" not in refused.cookies
    assert client.page("me").text == "you are None"
    assert Session.objects.count() == 1
    make_read_only("off")
    assert login(client, way, alice.user.get_username()).status_code in {200, 201, 302}


def test_a_guess_is_503_and_counts_nothing(alice):
    counted = list(LoginAttempt.objects.values_list("failures", flat=True))
    events = AuditEvent.objects.count()
    assert_outage(login(Visitor(), "/api/auth/login/", alice.user.get_username(), "wrong"))
    assert list(LoginAttempt.objects.values_list("failures", flat=True)) == counted
    assert AuditEvent.objects.count() == events


def test_the_connection_is_let_go_so_that_the_next_one_may_reach_a_server_that_takes_writes(alice):
    assert is_in(alice)
    before = backend_pid()
    assert is_in(alice)
    assert backend_pid() == before
    assert_outage(alice.page("write"))
    assert backend_pid() != before


def test_a_connection_in_a_transaction_is_let_go_at_the_end_of_the_request(alice):
    connection = connections["default"]
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert_outage(alice.page("turns"))
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert connection.close_at == 0 or connection.connection is None


def turns(request):
    """Change the key in the view's own transaction."""
    request.session.cycle_key()


urlpatterns.append(path("turns/", turns))


def test_the_engine_alone_reads_too(alice):
    key = alice.cookies["sessionid"].value
    assert keys.parse(key) is not None
    assert SessionStore(key)["_auth_user_id"] == str(alice.user.pk)
    assert Client().get("/public/").status_code == 200
