"""What a change of a user does to sessions elsewhere waits for its commit; a rollback leaves them alone.

The sessions are in another database than the users, in Valkey, or in the same database, which undoes both.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.db import transaction
from django.test import RequestFactory
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from sessionkeeper.audit import trail
from sessionkeeper.auth import erasure, flows, passwords, receivers
from sessionkeeper.core import context
from sessionkeeper.engine import principal, registry
from sessionkeeper.engine.session_store import SessionStore
from tests.conftest import PASSWORD
from tests.stores import server_url, sqlite_file
from tools import valkey

DJANGOS = "django.contrib.auth.backends.ModelBackend"
NEW = "another " + PASSWORD


@pytest.fixture(params=["elsewhere", "beside", "in Valkey"])
def sessions(request, any_database, settings, tmp_path):
    """Where the sessions are, seen from the users."""
    if request.param == "in Valkey":
        url = valkey.with_options(server_url("valkey"), prefix=f"{tmp_path.name}:")
        settings.SESSIONKEEPER = {"STORE": url}
    if request.param != "elsewhere":
        yield request.param
        list(registry.revoke_everyone())
        return
    settings.SESSIONKEEPER = {"STORE": "database:sessions"}
    with sqlite_file("sessions", tmp_path / "sessions.sqlite3"):
        yield request.param


@pytest.fixture
def user(sessions, make_user):
    return make_user(email="alice@example.org")


def begin(user):
    """Sign a user in, and return the request as the next one of that device would be."""
    request = RequestFactory().get("/")
    request.session = SessionStore()
    user.backend = DJANGOS
    flows.complete_log_in(request, user, amr="pwd")
    return again(request)


def again(request):
    """Return the next request of a device."""
    later = RequestFactory().get("/")
    later.session = SessionStore(request.session.session_key)
    later.session.principal_wanted = True
    later.user = principal.get_user(later)
    return later


def disable(user):
    user.is_active = False
    user.save()


def disable_by_name(user):
    user.is_active = False
    user.save(update_fields=["is_active"])


def change(user):
    context.begin()  # in a request of somebody else's
    user.set_password(NEW)
    user.save()


def change_as_the_user(user):
    passwords.change_password(begin(user), current=PASSWORD, new=NEW)


def reset(user):
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    passwords.confirm_reset(uid, default_token_generator.make_token(user), NEW)


def delete(user):
    get_user_model().objects.get(pk=user.pk).delete()


def erase(user):
    assert erasure.erase(user).sessions == 2


def roll_back(cause):
    """Do this in a transaction, or a savepoint of one, that fails."""
    with suppress(BoomError), transaction.atomic():
        cause()
        raise BoomError


class BoomError(Exception):
    """A view fails after its work."""


CAUSES = [disable, disable_by_name, change, change_as_the_user, reset, delete, erase]


@pytest.mark.rule("R64")
@pytest.mark.parametrize("cause", CAUSES)
def test_what_was_rolled_back_has_ended_no_session(user, cause):
    desk, phone = begin(user), begin(user)
    roll_back(lambda: cause(user))
    assert again(desk).user == again(phone).user == user


@pytest.mark.rule("R64")
@pytest.mark.parametrize("cause", CAUSES)
def test_what_was_committed_has_ended_the_sessions(user, cause):
    desk, phone = begin(user), begin(user)
    with transaction.atomic():
        cause(user)
    here = {request.session.session_id for request in (desk, phone)}
    assert not here & {record.id for record in registry.scan()}
    assert not again(desk).user.is_authenticated
    left = list(registry.scan())
    assert len(left) == (1 if cause is change_as_the_user else 0)


@pytest.mark.rule("R64")
def test_the_own_session_goes_on_after_a_change_of_the_password_either_way(user):
    own = begin(user)
    roll_back(lambda: passwords.change_password(own, current=PASSWORD, new=NEW))
    with transaction.atomic():
        user.refresh_from_db()
        own = begin(user)
        passwords.change_password(own, current=PASSWORD, new=NEW)
    assert again(own).user == user


@pytest.mark.rule("R64")
def test_a_change_that_is_undone_in_the_transaction_ends_nothing_elsewhere(user, sessions):
    desk = begin(user)
    with transaction.atomic():
        disable(user)
        user.is_active = True
        user.save()
    assert again(desk).user.is_authenticated is (sessions != "beside")


@pytest.mark.rule("R64")
def test_a_savepoint_that_is_rolled_back_ends_nothing_and_the_rest_does(user, make_user):
    desk, other = begin(user), make_user()
    phone = begin(other)
    with transaction.atomic():
        roll_back(lambda: disable(user))
        disable(other)
    assert again(desk).user == user
    assert not again(phone).user.is_authenticated


@pytest.mark.rule("R64")
def test_neither_mail_nor_event_nor_count_follows_a_rollback(user, settings):
    settings.SESSIONKEEPER = {**getattr(settings, "SESSIONKEEPER", {}), "NOTICES": ["password_changed"]}
    begin(user)
    trail.rows().delete()
    roll_back(lambda: change(user))
    receivers.wait()
    assert not mail.outbox
    assert not trail.rows().exists()
    change(user)
    receivers.wait()
    assert len(mail.outbox) == 1
    assert {row.kind for row in trail.rows()} == {"password_changed", "revoked"}


# What is looked at


@pytest.mark.rule("R15")
@pytest.mark.parametrize("fields", [None, ["first_name"], ["last_login"], {"first_name", "last_login"}])
def test_the_value_of_is_active_counts_whatever_fields_are_saved(user, fields, monkeypatch):
    monkeypatch.setattr(
        type(user), "is_active", property(lambda self: self.first_name != "gone", lambda self, _: None)
    )
    desk = begin(user)
    user.first_name = "gone"
    user.save(update_fields=fields)
    monkeypatch.undo()
    assert list(registry.scan()) == []
    assert not again(desk).user.is_authenticated


@pytest.mark.rule("R16")
def test_the_value_of_the_auth_hash_counts_whatever_fields_are_saved(user, monkeypatch):
    monkeypatch.setattr(type(user), "get_session_auth_hash", lambda self: f"hash of {self.first_name}")
    begin(user)
    context.begin()
    user.first_name = "another"
    user.save(update_fields=["first_name"])
    assert list(registry.scan()) == []


def test_a_login_costs_no_statement_more(user, django_assert_num_queries):
    begin(user)
    with django_assert_num_queries(1):
        user.save(update_fields=["last_login"])
