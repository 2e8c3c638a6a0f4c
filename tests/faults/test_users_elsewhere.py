"""The sessions are in a Valkey, which is well, and the database with the users breaks."""

from __future__ import annotations

import pytest

from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from sessionkeeper.stores.factory import get_store
from tests.conftest import new_user
from tests.faults.conftest import close_connections, heals, is_in, postgres_database, running
from tests.faults.test_postgres import Surfer
from tests.http.outage_site import assert_outage
from tests.stores import create_tables

pytestmark = [pytest.mark.usefixtures("any_database"), pytest.mark.urls("tests.faults.site")]


class Everything:
    """Routes every model to the database that breaks."""

    def db_for_read(self, model, **hints):
        """Return its alias."""
        return "pg"

    db_for_write = db_for_read


@pytest.fixture
def server(persisted, settings):
    """A PostgreSQL with all tables; the sessions are in a Valkey."""
    settings.SESSIONKEEPER = {"STORE": persisted.url}
    with running("postgres") as server, postgres_database(server.url) as alias:
        create_tables(alias)
        settings.DATABASE_ROUTERS = [Everything()]
        yield server
    get_store().store.client.close()


@pytest.fixture
def alice(server):
    """A visitor who is signed in."""
    visitor = Surfer()
    visitor.user = new_user()
    assert visitor.page("login", name=visitor.user.get_username()).text == "signed in"
    assert not Session.objects.exists()
    return visitor


@pytest.mark.rule("L01")
@pytest.mark.parametrize("page", ["me", "me/async", "members", "drf"])
def test_who_it_is_cannot_be_said(server, alice, page):
    server.kill()
    assert_outage(alice.page(page))
    assert alice.page("public").text == "hello"
    server.start()
    heals(lambda: is_in(alice))


@pytest.mark.rule("L03")
def test_a_restart_between_two_requests_is_not_noticed(server, alice):
    assert is_in(alice)
    server.kill()
    server.start()
    assert is_in(alice)


@pytest.mark.rule("L02")
def test_a_sign_out_that_cannot_be_recorded_is_none_until_it_is(server, alice):
    server.kill()
    assert_outage(alice.page("leaves"))
    server.start()
    heals(lambda: alice.page("leaves").status_code == 200)
    assert alice.page("me").text == "you are None"
    assert registry.list_for(alice.user) == []
    close_connections()
