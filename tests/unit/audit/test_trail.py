"""The audit trail: what is in it, what never is, and that it gets in nobody's way."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.test import Client, override_settings
from django.urls import include, path

from sessionkeeper.audit import trail
from sessionkeeper.audit.events import Kind
from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import AppendOnly
from sessionkeeper.engine import registry
from sessionkeeper.engine.history import history_for
from sessionkeeper.models import AuditEvent, Session
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [path("auth/", include("sessionkeeper.api.urls"))]


@pytest.fixture
def browser():
    """A browser with an address and a name of its own."""
    return Client(
        REMOTE_ADDR="192.0.2.77", headers={"user-agent": "Firefox", "sec-fetch-site": "same-origin"}
    )


def post(client, page, **body):
    """Call an endpoint."""
    return client.post(f"/auth/{page}/", json.dumps(body), content_type="application/json")


def sign_in(client, user, password=PASSWORD):
    """Sign in by the API."""
    return post(client, "login", username=user.get_username(), password=password)


def kinds():
    """The kinds of all events, in their order."""
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))


def the(kind):
    """The one event of a kind."""
    return AuditEvent.objects.get(kind=kind)


@pytest.mark.rule("R38")
def test_a_sign_in_is_written_with_its_session_and_client(browser, make_user):
    user = make_user()
    sign_in(browser, user)
    event = AuditEvent.objects.get()
    assert (event.kind, event.user_id, event.session_id) == ("sign_in", user.pk, Session.objects.get().pk)
    assert (event.ip_address, event.user_agent) == ("192.0.2.77", "Firefox")
    assert event.detail == {"transport": "cookie", "amr": "pwd"}
    assert abs(event.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_sign_in_by_any_code_that_calls_login_is_written(make_user):
    Client().force_login(make_user())
    assert kinds() == ["sign_in"]


@pytest.mark.rule("R38")
def test_a_sign_out_is_written(browser, make_user):
    user = make_user()
    sign_in(browser, user)
    number = Session.objects.get().pk
    post(browser, "logout")
    event = the(Kind.SIGN_OUT)
    assert (event.user_id, event.session_id) == (user.pk, number)
    assert kinds() == ["sign_in", "sign_out"]


@pytest.mark.rule("R38")
@pytest.mark.parametrize("why", ["unknown", "password", "inactive"])
def test_a_refusal_says_why_to_the_trail_alone(browser, make_user, why):
    user = make_user(is_active=why != "inactive")
    name = "nobody-has-this" if why == "unknown" else user.get_username()
    post(browser, "login", username=name, password=PASSWORD if why == "inactive" else "wrong")
    event = the(Kind.REFUSED)
    assert event.reason == why
    assert event.user_id == (None if why == "unknown" else user.pk)


def test_what_was_typed_as_a_name_is_not_written_down_but_can_be_told_to_be_the_same(browser):
    for name in ("Tr0ub4dor&3", "tr0ub4dor&3", "another"):
        post(browser, "login", username=name, password="x")
    one, two, three = [event.detail["name"] for event in AuditEvent.objects.order_by("pk")]
    assert one == two != three
    assert "ub4dor" not in str(list(AuditEvent.objects.values()))


def test_a_revocation_says_who_did_it_and_in_which_sessions(browser, make_user):
    user = make_user()
    sign_in(browser, user)
    there = Client()
    sign_in(there, user)
    gone = Session.objects.order_by("pk").first().pk
    post(there, "sessions/revoke-others")
    event = the(Kind.REVOKED)
    assert (event.session_id, event.reason, event.actor_id) == (gone, "user", user.pk)


@pytest.mark.rule("R38")
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda user, number: registry.revoke(number), "code"),
        (lambda user, number: registry.revoke_all(user, reason="command"), "command"),
        (lambda user, number: list(registry.revoke_everyone()), "everyone"),
        (lambda user, number: registry.revoke_many([number]), "code"),
        (lambda user, number: disable(user), "user_disabled"),
        (lambda user, number: user.delete(), "user_deleted"),
        (lambda user, number: change_password(user), "password_changed"),
    ],
)
def test_every_way_to_end_a_session_is_written_with_its_reason(make_user, end, reason):
    user = make_user()
    pk = user.pk
    Client().force_login(user)
    number = Session.objects.get().pk
    context.end()  # nobody is in this session just now
    end(user, number)
    event = the(Kind.REVOKED)
    assert (event.user_id, event.session_id, event.reason) == (pk, number, reason)


def disable(user):
    """Disable a user."""
    user.is_active = False
    user.save()


def change_password(user):
    """Change a password behind everybody's back."""
    user.set_password("another one")
    user.save()


def test_sessions_of_visitors_leave_no_trail():
    visitor = Client()
    session = visitor.session
    session["a"] = 1
    session.save()
    list(registry.revoke_everyone())
    assert kinds() == []


@pytest.mark.rule("R38")
def test_an_expired_session_is_written_once_when_it_is_presented(browser, make_user):
    sign_in(browser, make_user())
    Session.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    cookie = browser.cookies["sessionid"].value
    for _ in range(2):
        browser.cookies["sessionid"] = cookie
        browser.get("/auth/session/")
    assert kinds() == ["sign_in", "expired"]


def test_a_purge_writes_one_event_for_all_that_it_removes(browser, make_user):
    user = make_user()
    for _ in range(5):
        Client().force_login(user)
    numbers = set(Session.objects.values_list("pk", flat=True))
    Session.objects.update(expires_at=datetime.now(UTC) - timedelta(days=3))
    assert list(registry.purge(batch=2)) == [2, 2, 1]
    event = the(Kind.PURGED)
    assert (event.user_id, event.session_id, event.ip_address, event.detail) == (
        None,
        None,
        None,
        {"sessions": 5},
    )
    assert kinds().count("expired") == 0
    assert {(one.id, one.how, one.ended_at) for one in history_for(user)} == {
        (number, "expired", None) for number in numbers
    }


def test_a_purge_that_is_interrupted_writes_what_it_has_removed(make_user):
    for _ in range(5):
        Client().force_login(make_user())
    Session.objects.update(expires_at=datetime.now(UTC))
    steps = registry.purge(batch=2)
    next(steps)
    steps.close()
    assert the(Kind.PURGED).detail == {"sessions": 2}


def test_what_was_presented_is_known_with_its_end_after_the_purge_too(browser, make_user):
    user = make_user()
    sign_in(browser, user)
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    Session.objects.update(expires_at=end)
    browser.get("/auth/session/")
    assert sum(registry.purge()) == 1
    [ended] = history_for(user)
    assert (ended.how, ended.ended_at) == ("expired", end)


def test_the_sessions_of_who_has_very_many_end_and_each_is_written(make_user, monkeypatch):
    monkeypatch.setattr(registry, "BATCH", 3)
    monkeypatch.setattr(registry, "MANY", 3)
    user = make_user()
    for _ in range(8):
        Client().force_login(user)
    kept, *others = Session.objects.order_by("pk").values_list("pk", flat=True)
    assert registry.revoke_all(user, kept, reason="user") == 7
    assert [record.id for record in registry.walk(user)] == [kept]
    ended = AuditEvent.objects.filter(kind="revoked", reason="user").values_list("session_id", flat=True)
    assert sorted(ended) == others
    assert registry.revoke_all(user) == 1


def test_a_history_never_shows_a_session_that_lives(make_user, monkeypatch):
    monkeypatch.setattr(registry, "PAGE", 2)
    user = make_user()
    for number in range(6):
        Client().force_login(user)
        if number in {1, 4}:
            registry.revoke(Session.objects.latest("pk").pk)
    assert {one.how for one in history_for(user)} == {"revoked"}
    assert len(history_for(user)) == 2


def test_a_purge_of_what_visitors_left_writes_nothing(make_user):
    store = Client().session
    store["basket"] = 1
    store.save()
    Session.objects.update(expires_at=datetime.now(UTC))
    assert sum(registry.purge()) == 1
    assert kinds() == []


def test_a_trail_that_cannot_be_read_stops_nobody(browser, make_user, monkeypatch, caplog):
    sign_in(browser, make_user())
    Session.objects.update(expires_at=datetime.now(UTC))

    def refuse():
        raise DatabaseError

    monkeypatch.setattr(trail, "rows", refuse)
    assert browser.get("/auth/session/").status_code == 401
    assert "could not be read" in caplog.text
    assert sum(registry.purge()) == 1


def test_a_guess_at_an_expired_session_is_not_written(browser, make_user):
    sign_in(browser, make_user())
    number = Session.objects.get().pk
    Session.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    browser.cookies["sessionid"] = keys.Key(number, keys.mint().secret).text
    browser.get("/auth/session/")
    assert kinds() == ["sign_in"]


@pytest.mark.rule("R38")
def test_a_password_change_is_written_however_it_came(make_user):
    change_password(make_user())
    assert kinds() == ["password_changed"]


def test_a_better_hash_of_the_same_password_is_no_change(make_user):
    user = make_user()
    better = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    before = user.password
    with override_settings(PASSWORD_HASHERS=better):
        assert user.check_password(PASSWORD)
    assert user.password != before
    assert kinds() == []


@pytest.mark.rule("R38")
def test_a_step_up_is_no_sign_in(browser, make_user):
    sign_in(browser, make_user())
    post(browser, "reauthenticate", password=PASSWORD)
    assert kinds() == ["sign_in", "step_up"]


@pytest.mark.rule("R38")
def test_a_token_is_written_as_made(browser, make_user):
    user = make_user()
    post(browser, "tokens", username=user.get_username(), password=PASSWORD)
    assert the(Kind.TOKEN_MADE).detail == {"transport": "bearer", "amr": "pwd"}
    assert kinds() == ["token_made"]


@pytest.mark.rule("R38")
def test_a_rotation_outside_of_a_sign_in_is_written(make_user):
    client = Client()
    client.force_login(make_user())
    session = client.session
    session.cycle_key()
    session.save()
    assert kinds() == ["sign_in", "rotated"]


def test_a_reset_is_written_without_a_look_for_the_user(browser, make_user, mailoutbox):
    user = make_user()
    post(browser, "password/reset", email=user.email)
    post(browser, "password/reset", email="nobody@example.org")
    mine, none = AuditEvent.objects.filter(kind=Kind.PASSWORD_RESET_REQUESTED).order_by("pk")
    assert mine.user_id is none.user_id is None
    assert mine.detail["address"] != none.detail["address"]


# What gets into no event


@pytest.mark.rule("R38")
def test_no_key_hash_token_or_password_is_in_any_row_or_log_line(browser, make_user, caplog):
    caplog.set_level(logging.DEBUG)
    user, secrets = make_user(), []
    for _ in range(2):
        sign_in(browser, user)
        secrets.append(browser.cookies["sessionid"].value)
        secrets.append(browser.cookies["sessionid"].value[11:])
    token = post(browser, "tokens", username=user.get_username(), password=PASSWORD)
    if token.status_code == 201:
        secrets.append(token.json()["token"])
    other = Client()
    secrets.append(post(other, "tokens", username=user.get_username(), password=PASSWORD).json()["token"])
    post(other, "login", username=secrets[0], password="hunter2-hunter2")
    post(browser, "reauthenticate", password=PASSWORD)
    secrets.append(browser.cookies["sessionid"].value)
    post(browser, "password/change", current_password=PASSWORD, new_password="a new pass phrase, long")
    post(browser, "logout")
    written = str(list(AuditEvent.objects.values())) + caplog.text
    assert len(kinds()) > 6
    for secret in (*secrets, PASSWORD, "hunter2", "a new pass phrase"):
        assert secret not in written


# Signals


# Getting in nobody's way


def test_a_table_that_refuses_keeps_nobody_from_signing_in(browser, make_user, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise DatabaseError("disk full")

    user = make_user()
    with monkeypatch.context() as patched:
        patched.setattr(trail, "_row", refuse)
        assert sign_in(browser, user).status_code == 200
        assert browser.get("/auth/session/").status_code == 200
    assert "disk full" in caplog.text


def test_an_event_that_the_database_refuses_does_not_break_the_transaction(make_user, caplog):
    user = make_user()
    with transaction.atomic():
        trail.record(Kind.SIGN_IN, user=user, session_id=2**70)
        assert get_user_model().objects.filter(pk=user.pk).exists()
    assert "could not be written" in caplog.text
    assert kinds() == []


def test_in_a_broken_transaction_the_event_is_logged(make_user, caplog):
    with transaction.atomic():
        connection.set_rollback(True)
        trail.record(Kind.REFUSED, reason="password")
        connection.set_rollback(False)
    assert "could not be written" in caplog.text


def test_without_a_table_there_are_still_log_lines(make_user, settings, caplog):
    settings.SESSIONKEEPER = {"AUDIT": False}
    caplog.set_level(logging.INFO, logger="sessionkeeper.audit")
    Client().force_login(make_user())
    assert kinds() == []
    assert caplog.messages[0].startswith("sign_in ")


# Append-only, for a while


@pytest.mark.rule("R38")
def test_rows_are_not_edited_or_removed_through_the_model():
    trail.record(Kind.REFUSED, reason="password")
    event = AuditEvent.objects.get()
    event.reason = "none"
    for attempt in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(reason="none"),
        lambda: AuditEvent.objects.bulk_update([event], ["reason"]),
    ):
        with pytest.raises(AppendOnly):
            attempt()
    assert AuditEvent.objects.get().reason == "password"


# The admin
