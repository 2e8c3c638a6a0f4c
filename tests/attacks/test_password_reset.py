"""Password reset: what a log line, a flood and a clock give to somebody else."""

from __future__ import annotations

import json
import logging
import re
import threading

import pytest
from django.core import mail
from django.test import Client
from django.urls import include, path

from sessionkeeper.auth import receivers as our_mail
from tests import contents

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("pages/", include("sessionkeeper.pages.urls")),
]

NEW = "a-much-longer-horse-than-before"
WEAK = "short"
VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]


def browser(peer="192.0.2.1"):
    return Client(REMOTE_ADDR=peer, headers={"sec-fetch-site": "same-origin"})


def by_api(email, peer="192.0.2.1"):
    """Ask for a mail at the API."""
    body = json.dumps({"email": email})
    return browser(peer).post("/auth/password/reset/", body, content_type="application/json")


def by_page(email, peer="192.0.2.1"):
    """Ask for a mail at the page."""
    return browser(peer).post("/pages/password/reset/", {"email": email})


def sent():
    our_mail.wait()
    return mail.outbox


@pytest.fixture
def link(make_user):
    """The link in a mail, without the host."""
    make_user(email="ann@example.org")
    by_page("ann@example.org")
    return re.search(r"http://testserver(\S+)", sent()[0].body)[1]


def opened(link, client=None):
    """Open a link, and return the browser and the address that it leads to."""
    client = client or browser()
    return client, client.get(link)["Location"]


# the link


@pytest.mark.rule("R59")
def test_no_page_behind_a_link_has_the_token_in_its_address(link):
    token = link.rstrip("/").rpartition("/")[2]
    client, form = opened(link)
    assert token not in form
    answers = [
        client.get(form),
        client.post(form, {"new_password": WEAK, "again": "another"}),
        client.post(form, {"new_password": NEW, "again": NEW}),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 302]
    assert all(token not in answer["Location"] for answer in answers if "Location" in answer)


@pytest.mark.rule("R59")
def test_no_log_line_of_a_refused_password_holds_a_token(link, settings, caplog):
    settings.AUTH_PASSWORD_VALIDATORS = VALIDATORS
    caplog.set_level(logging.DEBUG)
    token = link.rstrip("/").rpartition("/")[2]
    client, form = opened(link)
    assert client.post(form, {"new_password": WEAK, "again": WEAK}).status_code == 400
    assert any(form in one.getMessage() for one in caplog.records)
    assert not any(token in one.getMessage() for one in caplog.records)
    assert client.post(form, {"new_password": NEW, "again": NEW}).status_code == 302


@pytest.mark.rule("R59")
@pytest.mark.parametrize("method", ["get", "post", "put", "head"])
def test_the_address_with_the_token_never_answers_with_an_error_which_would_be_logged(link, method):
    broken = (link.replace("-", "-0"), link.rstrip("/"), f"{link}>.", f"{link}more/")
    for one in (link, *broken, "/pages/password/reset/x/y/", "/pages/password/reset/x/%00/"):
        answer = getattr(browser(), method)(one)
        assert answer.status_code == 302
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.rule("R44")
def test_a_link_begins_no_session_and_is_kept_in_no_store(link):
    client, form = opened(link)
    client.get(form)
    assert contents.count() == 0
    assert [name for name in client.cookies if "session" in name and "reset" not in name] == []


def test_the_cookie_of_a_link_goes_to_its_page_only_and_no_script_reads_it(link):
    client, form = opened(link)
    (cookie,) = (one for one in client.cookies.values() if "reset" in one.key)
    assert cookie["path"] == form
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"  # a mail is read at another site
    assert 0 < cookie["max-age"] <= 3600


def test_the_cookie_of_a_link_is_gone_when_the_password_is_set(link):
    client, form = opened(link)
    answer = client.post(form, {"new_password": NEW, "again": NEW})
    (cookie,) = (one for one in answer.cookies.values() if "reset" in one.key)
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, form)


@pytest.mark.rule("R59")
def test_an_address_without_its_cookie_opens_nothing(link):
    _, form = opened(link)
    assert browser().get(form).status_code == 400
    assert browser().post(form, {"new_password": NEW, "again": NEW}).status_code == 400


def test_a_link_of_somebody_else_does_not_take_the_place_of_ones_own(link, make_user):
    make_user(email="mallory@example.org")
    by_page("mallory@example.org")
    theirs = re.search(r"http://testserver(\S+)", sent()[1].body)[1]
    answers = [browser().get(one) for one in (link, theirs)]
    paths = [cookie["path"] for answer in answers for cookie in answer.cookies.values()]
    assert paths == [answer["Location"] for answer in answers]
    assert len(set(paths)) == 2  # so a browser keeps both, and sends each to its page


@pytest.mark.parametrize("value", ["", "x", "a.b", '"\\000"', "x" * 4000, "é"])
def test_any_cookie_is_a_link_that_no_longer_works(link, value):
    client, form = opened(link)
    client = browser()
    (name,) = (one for one in opened(link)[0].cookies if "reset" in one)
    client.cookies[name] = value
    assert client.get(form).status_code == 400


@pytest.mark.parametrize("after", ["", "/>", "/."])
def test_a_link_that_a_mail_program_cut_or_lengthened_still_works(link, after):
    client, form = opened(link.rstrip("/") + after)
    assert client.get(form).status_code == 200


# how many mails


@pytest.mark.parametrize("doors", [(by_api,), (by_page,), (by_api, by_page)])
def test_one_mailbox_gets_few_mails_from_however_many_addresses(make_user, doors):
    make_user(email="ann@example.org")
    for count in range(30):
        answer = doors[count % len(doors)](
            "ann@example.org" if count % 2 else "ANN@example.org", f"2001:db8:{count:x}::1"
        )
        assert answer.status_code in {204, 302}
    assert len(sent()) == 5


@pytest.mark.rule("R34")
def test_a_mailbox_that_got_its_mails_is_answered_like_any_other(make_user):
    make_user(email="ann@example.org")
    for door in (by_api, by_page):
        before = [door("ann@example.org", f"198.51.{count}.1") for count in range(8)]
        assert len({(one.status_code, one.content, one.get("Location")) for one in before}) == 1


@pytest.mark.parametrize("doors", [(by_api,), (by_page,), (by_api, by_page)])
def test_a_64_of_ipv6_has_one_limit_at_all_doors(doors):
    codes = [
        doors[count % len(doors)](f"nobody{count}@example.org", f"2001:db8::{count:x}").status_code
        for count in range(12)
    ]
    assert [code == 429 for code in codes] == [False] * 10 + [True] * 2
    assert by_api("nobody@example.org", "2001:db8:0:1::1").status_code == 204


def test_the_limit_of_the_apis_own_framework_changes_nothing(settings):
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"sessionkeeper-reset": None}}
    codes = [by_api(f"nobody{count}@example.org").status_code for count in range(11)]
    assert codes == [204] * 10 + [429]


def test_mails_that_wait_are_bounded_and_a_full_queue_says_so_to_everybody(make_user, monkeypatch):
    make_user(email="ann@example.org")
    gate = threading.Event()
    monkeypatch.setattr("django.core.mail.message.EmailMessage.send", lambda *args, **kwargs: gate.wait(30))
    monkeypatch.setattr(our_mail, "MOST_RESETS", 3)
    try:
        codes = [by_api(f"nobody{count}@example.org", f"198.51.{count}.1").status_code for count in range(2)]
        codes += [by_api("ann@example.org", f"198.52.{count}.1").status_code for count in range(6)]
        known, unknown = by_api("ann@example.org", "198.53.1.1"), by_api("nobody@example.org", "198.53.2.1")
    finally:
        gate.set()
    our_mail.wait()
    assert known.status_code == unknown.status_code == 429
    assert known.content == unknown.content
    assert known["Retry-After"] == unknown["Retry-After"]
    assert codes.count(204) == 2 + 3
