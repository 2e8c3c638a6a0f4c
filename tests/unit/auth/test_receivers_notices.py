"""Mail to users about their account, and the history of their sessions."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from django.core import mail as django_mail
from django.db import transaction
from django.test import Client
from django.urls import include, path
from django.utils import translation

from sessionkeeper.audit import trail
from sessionkeeper.audit.events import Kind
from sessionkeeper.auth import receivers
from sessionkeeper.middleware.session import SessionMiddleware
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [path("auth/", include("sessionkeeper.api.urls"))]


@pytest.fixture
def after(django_capture_on_commit_callbacks):
    """Do something, commit, and return the mails that went out."""

    def run(act, *args, **options):
        before = len(django_mail.outbox)
        with django_capture_on_commit_callbacks(execute=True):
            act(*args, **options)
        receivers.wait()
        return django_mail.outbox[before:]

    return run


def browser(address="192.0.2.1", agent="Firefox"):
    """A browser somewhere."""
    return Client(REMOTE_ADDR=address, headers={"user-agent": agent, "sec-fetch-site": "same-origin"})


def sign_in(client, user):
    """Sign in by the API."""
    body = json.dumps({"username": user.get_username(), "password": PASSWORD})
    assert client.post("/auth/login/", body, content_type="application/json").status_code == 200


@pytest.mark.rule("R53")
def test_a_sign_in_on_a_new_device_is_told_and_on_a_known_one_is_not(make_user, after):
    user, here, there = make_user(), browser(), browser("203.0.113.7", "Chromium")
    assert after(sign_in, here, user) == []  # the first of all
    (told,) = after(sign_in, there, user)
    assert told.to == [user.email]
    assert told.subject == "Sign-in on a new device"
    assert "203.0.113.7" in told.body
    assert "Chromium" in told.body
    assert user.get_username() in told.body
    assert after(sign_in, there, user) == []


def test_a_known_device_may_come_from_anywhere(make_user, after):
    user, here = make_user(), browser()
    sign_in(browser("203.0.113.7", "Other"), user)
    sign_in(here, user)
    here.defaults["REMOTE_ADDR"] = "198.51.100.1"
    assert after(sign_in, here, user) == []


def test_without_its_cookie_the_same_browser_in_the_same_network_is_no_news(make_user, after):
    user = make_user()
    sign_in(browser("192.0.2.1"), user)
    assert after(sign_in, browser("192.0.2.99"), user) == []
    assert len(after(sign_in, browser("192.0.3.1"), user)) == 1
    assert len(after(sign_in, browser("192.0.2.1", "Safari"), user)) == 1


def test_a_device_of_somebody_else_is_new(make_user, after):
    user, other, here = make_user(), make_user(), browser("198.51.100.1", "Opera")
    sign_in(here, other)
    sign_in(browser(), user)
    assert len(after(sign_in, here, user)) == 1


def test_a_sign_in_that_is_rolled_back_is_not_told(make_user, after):
    user = make_user()
    sign_in(browser(), user)

    def fail():
        with transaction.atomic():
            sign_in(browser("203.0.113.7"), user)
            transaction.set_rollback(True)

    assert after(fail) == []


@pytest.mark.rule("R53")
def test_a_new_password_is_told_however_it_came(make_user, after):
    user = make_user()
    user.set_password("another pass phrase")
    (told,) = after(user.save)
    assert told.subject == "Your password was changed"
    assert "another pass phrase" not in told.body


@pytest.mark.rule("R53")
def test_a_token_is_told_without_the_token(make_user, after):
    user = make_user()
    body = {"username": user.get_username(), "password": PASSWORD}
    answers = []
    (told,) = after(
        lambda: answers.append(browser().post("/auth/tokens/", body, content_type="application/json"))
    )
    assert told.subject == "New token for your account"
    assert answers[0].json()["token"][5:] not in told.body


@pytest.mark.rule("R53")
def test_a_copied_session_is_told(make_user, after):
    user = make_user()
    (told,) = after(trail.record, Kind.COPY_DETECTED, user=user, session_id=7)
    assert told.subject == "One of your sessions was copied"


@pytest.mark.parametrize(
    ("notices", "number"), [(True, 1), (False, 0), (["password_changed"], 1), (["new_device"], 0)]
)
def test_notices_can_be_chosen(make_user, after, settings, notices, number):
    settings.SESSIONKEEPER = {"NOTICES": notices}
    user = make_user()
    user.set_password("another pass phrase")
    assert len(after(user.save)) == number


OURS = "sessionkeeper.middleware.SessionMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"


class OwnMiddleware(SessionMiddleware):
    """A project's subclass of ours."""


@pytest.mark.parametrize(
    ("middleware", "options", "number"),
    [
        ([STOCK], {}, 0),
        ([], {}, 0),
        ([STOCK, "no.such.Middleware", 3], {}, 0),
        ([STOCK], {"NOTICES": None}, 0),
        ([STOCK], {"NOTICES": True}, 1),
        ([STOCK], {"NOTICES": ["password_changed"]}, 1),
        ([OURS], {}, 1),
        ([f"{__name__}.OwnMiddleware"], {}, 1),
        ([OURS], {"NOTICES": False}, 0),
    ],
)
def test_a_site_with_the_engine_alone_sends_nothing_that_it_did_not_ask_for(
    make_user, after, settings, middleware, options, number
):
    settings.MIDDLEWARE, settings.SESSIONKEEPER = middleware, options
    user = make_user()
    user.set_password("another pass phrase")
    assert len(after(user.save)) == number


def test_who_has_no_address_is_sent_nothing(make_user, after):
    user = make_user()
    get_user_model().objects.update(email="")
    user.refresh_from_db()
    user.set_password("another pass phrase")
    assert after(user.save) == []


def test_mail_that_cannot_be_sent_keeps_nobody_from_anything(make_user, after, monkeypatch, caplog):
    user = make_user()
    sign_in(browser(), user)
    backend = "django.core.mail.backends.locmem.EmailBackend.send_messages"
    monkeypatch.setattr(backend, lambda self, messages: 1 / 0)
    there = browser("203.0.113.7")
    assert after(sign_in, there, user) == []
    assert there.get("/auth/session/").status_code == 200
    assert "could not be sent" in caplog.text


def test_what_a_client_calls_itself_cannot_forge_a_header_or_a_line(make_user, after):
    user = make_user()
    sign_in(browser(), user)
    (told,) = after(sign_in, browser("203.0.113.7", "evil\u2028Bcc: all@example.org\x1b[31m"), user)
    assert "\x1b" not in told.body
    assert "\u2028" not in told.body
    assert "<" not in told.subject


def test_a_notice_is_in_the_language_of_the_request(make_user, after, settings, tmp_path):
    asked = []
    settings.TEMPLATES = [
        {
            **settings.TEMPLATES[0],
            "APP_DIRS": False,
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {
                            f"sessionkeeper/mail/password_changed{end}.txt": (
                                "{% load i18n %}{% get_current_language as now %}{{ now }}"
                            )
                            for end in ("", "_subject")
                        },
                    )
                ]
            },
        }
    ]
    user = make_user()
    user.set_password("another pass phrase")
    with translation.override("de"):
        asked = after(user.save)
    assert asked[0].body == "de"


# History
