"""An outage of the store is not a logout: 503, the cookie stays, and other pages are served."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest
from django.db import connection, connections

from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.stores import factory
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.http import outage_site
from tests.http.outage_site import AsyncVisitor, Visitor, assert_outage
from tests.stores import database, is_postgresql
from tools.valkey import with_options

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.usefixtures("any_database"),
    pytest.mark.urls("tests.http.outage_site"),
]
WORDS = ("postgres", "sqlite", "redis", "valkey", "127.0.0.1", "traceback", "operationalerror", "database")
PAGES = ["me", "me/async", "members", "lazily", "drf", "write", "logout", "breaks", "breaks/async"]


class Server:
    """Stands before PostgreSQL or Valkey, so that a test can take the server away and bring it back."""

    def __init__(self, target):
        self.target, self.open, self.port = target, [], 0
        self.mend()

    def mend(self):
        """Take connections."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        if "proxied" in connections:  # as Django does when a request begins; its test client does not
            connections["proxied"].close_if_unusable_or_obsolete()

    def cut(self):
        """Close all connections and take no new ones."""
        for one in (self.listener, *self.open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.open.clear()

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
                self.open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Elsewhere:
    """Where there is no server to take away: the store's file goes to a folder that does not exist."""

    def __init__(self, monkeypatch):
        self.monkeypatch, self.real = monkeypatch, factory._open

    def cut(self):
        """Be gone."""
        self.monkeypatch.setattr(factory, "_open", lambda url: DatabaseStore("gone"))

    def mend(self):
        """Be back."""
        self.monkeypatch.setattr(factory, "_open", self.real)


@pytest.fixture
def server(settings, monkeypatch, tmp_path):
    """The session store's server, which can be cut off and mended."""
    if contents.is_in_valkey():
        real = get_store().store.client.url
        proxy = Server(real.hosts[0])
        url = with_options(f"redis://127.0.0.1:{proxy.port}/{real.db}", prefix=real.prefix)
        settings.SESSIONKEEPER = {"STORE": url}
        yield proxy
        proxy.cut()
    elif is_postgresql():
        target = connection.settings_dict["HOST"], int(connection.settings_dict["PORT"])
        proxy = Server(target)
        with database("proxied", HOST="127.0.0.1", PORT=proxy.port, OPTIONS={"sslmode": "disable"}):
            settings.SESSIONKEEPER = {"STORE": "database:proxied"}
            yield proxy
        proxy.cut()
    else:
        with database("gone", NAME=str(tmp_path / "no" / "folder.sqlite3")):
            yield Elsewhere(monkeypatch)


@pytest.fixture(params=[Visitor, AsyncVisitor])
def visitor(request, make_user, server):
    """A visitor who is signed in."""
    visitor = request.param()
    visitor.user = make_user()
    assert visitor.page("login", name=visitor.user.get_username()).status_code == 200
    assert f"you are {visitor.user.pk}" in visitor.page("me").text
    return visitor


@pytest.mark.rule("R20")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_needs_the_session_says_503_and_leaves_the_cookie(visitor, server, page):
    server.cut()
    response = visitor.page(page)
    assert_outage(response)
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "store_unavailable"
    assert response.json()["status"] == 503
    server.mend()
    assert f"you are {visitor.user.pk}" in visitor.page("me").text


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("application/problem+json, text/html", "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("", "application/problem+json"),
    ],
)
def test_the_answer_has_the_form_that_was_asked_for(visitor, server, accept, media_type):
    server.cut()
    response = visitor.page("me", accept)
    assert_outage(response)
    assert response["Content-Type"] == media_type
    assert "Accept" in response["Vary"]
    if media_type.startswith("text/html"):
        assert "<h1>We will be back in a moment</h1>" in response.text


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_page_that_uses_no_session_is_served(visitor, server, accept):
    server.cut()
    response = visitor.page("public", accept)
    assert (response.status_code, response.text) == (200, "hello")
    assert not response.cookies


def test_a_page_that_uses_no_session_is_served_when_every_request_is_saved(visitor, server, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    server.cut()
    response = visitor.page("public")
    assert (response.status_code, response.text) == (200, "hello")
    assert not response.cookies


@pytest.mark.parametrize("page", ["breaks", "breaks/async"])
def test_an_outage_that_begins_before_the_save_is_503_and_nothing_is_written(
    visitor, server, page, monkeypatch
):
    monkeypatch.setattr(outage_site, "IN_BETWEEN", [server.cut])
    assert_outage(visitor.page(page))
    server.mend()
    monkeypatch.setattr(outage_site, "IN_BETWEEN", [])
    assert visitor.page("lazily").json() == {"a": None}
    assert visitor.page(page).text == "written"
    assert visitor.page("lazily").json() == {"a": 1}


def test_a_sign_in_during_an_outage_is_503_and_signs_nobody_in(server, make_user):
    user = make_user()
    visitor = Visitor()
    server.cut()
    assert_outage(visitor.page("login", name=user.get_username()))
    server.mend()
    assert visitor.page("me").text == "you are None"
    assert visitor.page("login", name=user.get_username()).status_code == 200
    assert visitor.page("me").text == f"you are {user.pk}"


@pytest.mark.rule("R20")
def test_a_sign_out_during_an_outage_is_503_and_the_session_goes_on(visitor, server):
    server.cut()
    assert_outage(visitor.page("logout"))
    server.mend()
    assert visitor.page("logout").text == "signed out"
    assert visitor.page("me").text == "you are None"
    assert not contents.records()


@pytest.mark.parametrize("page", ["me", "me/async", "drf"])
def test_a_middleware_that_asks_who_it_is_gives_503_too(visitor, server, settings, page):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert visitor.page(page).status_code == 200
    server.cut()
    assert_outage(visitor.page(page))
    assert visitor.page("public").status_code == 200
    server.mend()
    assert visitor.page(page).status_code == 200


def test_a_csrf_token_in_the_session_gives_503_too(visitor, server, settings):
    settings.CSRF_USE_SESSIONS = True
    server.cut()
    assert_outage(visitor.page("me"))
    server.mend()
    assert visitor.page("me").status_code == 200


def test_a_touch_that_fails_is_no_reason_to_refuse_the_page(visitor, monkeypatch, caplog):
    contents.set_back("last_seen_at", hours=1)

    def fail(*args):
        raise StoreUnavailable

    monkeypatch.setattr(type(get_store()), "touch", fail)
    assert visitor.page("me").text == f"you are {visitor.user.pk}"
    assert "touch failed" in caplog.text


def test_an_outage_tells_the_visitor_nothing_of_the_store(visitor, server):
    server.cut()
    for accept in ("text/html", "application/json"):
        text = visitor.page("me", accept).text.lower()
        for word in WORDS:
            assert word not in text


def test_a_key_of_another_shape_is_not_asked_for_in_an_outage(server):
    server.cut()
    visitor = Visitor()
    visitor.cookies["sessionid"] = "nonsense"
    assert visitor.page("me").text == "you are None"
