"""The pages over HTTP: every flow, and what they refuse."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote, urlsplit

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client, override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionkeeper.auth import notifications as our_mail
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import TokenApi

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.pages_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]

NEW = "a-much-longer-horse-than-before"


@pytest.fixture(autouse=True)
def _settings(settings):
    cache.clear()
    settings.LOGIN_REDIRECT_URL = "/"
    settings.LOGIN_URL = "/auth/login/"


class Visitor(Client):
    """A browser without scripts: it opens a page, fills in the form and sends what the form holds."""

    def __init__(self, **defaults):
        super().__init__(enforce_csrf_checks=True, **defaults)

    def submit(self, path, action=None, **fields):
        page = self.get(path).content.decode()
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
        return self.post(
            action or path, {**{name: unescape(text) for name, text in hidden.items()}, **fields}
        )

    def log_in(self, user, password=PASSWORD, query="", **fields):
        return self.submit(f"/auth/login/{query}", username=user.get_username(), password=password, **fields)


@pytest.fixture
def alice(make_user):
    return make_user(email="alice@example.org")


@pytest.fixture
def visitor(db):
    return Visitor()


@pytest.fixture
def signed_in(visitor, alice):
    assert visitor.log_in(alice).status_code == 302
    return visitor


def who(client):
    return client.get("/").json()["user"]


def grow_old():
    contents.set_back("authenticated_at", days=1)


# signing in and out


@pytest.mark.rule("R25")
@pytest.mark.any_user
def test_signing_in_leads_on_and_signing_out_ends_the_session(visitor, alice):
    answer = visitor.log_in(alice)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert who(visitor) == alice.get_username()
    answer = visitor.submit("/auth/logout/")
    assert (answer.status_code, answer["Location"]) == (302, "/auth/login/?done=out")
    assert answer["Clear-Site-Data"] == '"cache"'
    assert who(visitor) == ""
    assert not contents.records()
    assert "You are signed out." in visitor.get(answer["Location"]).content.decode()


@pytest.mark.rule("R28")
def test_a_link_to_logout_signs_nobody_out(signed_in):
    assert "Sign out" in signed_in.get("/auth/logout/").content.decode()
    assert who(signed_in)


@pytest.mark.rule("R34")
def test_unknown_wrong_and_inactive_look_alike_and_keep_the_name(visitor, alice, make_user):
    inactive, pages = make_user(is_active=False), set()
    for name, password in (
        (alice.get_username(), "wrong"),
        ("nobody", PASSWORD),
        (inactive.get_username(), PASSWORD),
    ):
        answer = visitor.submit("/auth/login/", username=name, password=password)
        text = answer.content.decode()
        assert f'value="{name}"' in text
        assert f'value="{password}"' not in text
        assert answer["WWW-Authenticate"]
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)
        pages.add((answer.status_code, text.replace(name, "")))
    assert len(pages) == 1
    assert pages.pop()[0] == 401


@pytest.mark.rule("R43")
def test_too_many_tries_are_a_429_that_says_when(visitor, alice):
    answers = [visitor.log_in(alice, "wrong") for _ in range(7)]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0
    assert "Try again in 1 minute." in answers[-1].content.decode()


@pytest.mark.parametrize(("remember", "lasts"), [({"remember": "on"}, True), ({}, False)])
def test_staying_signed_in_is_a_choice(visitor, alice, remember, lasts):
    visitor.log_in(alice, **remember)
    assert bool(visitor.cookies["sessionid"]["max-age"]) is lasts


def test_empty_fields_are_named(visitor):
    answer = visitor.submit("/auth/login/", username="", password="")
    assert answer.status_code == 400
    assert answer.content.decode().count("This field is required.") == 2


@override_settings(
    SESSIONKEEPER={"SECOND_FACTOR": "tests.unit.pages.test_login.everybody_has_one"}, LOGIN_URL="/elsewhere/"
)
def test_who_has_a_second_factor_is_led_to_where_it_is_asked_for(visitor, alice):
    answer = visitor.log_in(alice)
    assert answer.status_code == 401
    assert 'href="/elsewhere/"' in answer.content.decode()
    assert not contents.records()


def everybody_has_one(user):
    return True


# where to go next


@pytest.mark.rule("R29")
@override_settings(ALLOWED_HOSTS=["*"])
@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "http:///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "http://testserver@evil.example/",
        "\thttps://evil.example",
        "http://testserver.evil.example/",
    ],
)
def test_no_link_leads_elsewhere_after_signing_in(visitor, alice, wanted):
    answer = visitor.log_in(alice, query=f"?next={quote(wanted)}", next=wanted)
    assert answer["Location"] == "/"


@pytest.mark.rule("R29")
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(wanted=st.text(st.sampled_from("/\\:@?#.%\t\n evilhtpsj\u2215\uff0f"), max_size=24))
def test_any_next_stays_here(rf, wanted):
    from sessionkeeper.pages.base import next_url

    after = next_url(rf.get("/auth/login/", {"next": wanted}))
    seen = re.sub(r"[\t\n]", "", after or "/").replace("\\", "/")  # as browsers read it
    assert not seen.startswith("//")
    assert urlsplit(seen).netloc in {"", "testserver"}
    assert urlsplit(seen).scheme in {"", "http", "https"}


def test_an_address_of_this_site_is_kept_through_a_failed_try(visitor, alice):
    first = visitor.submit("/auth/login/?next=/auth/sessions/", username="x", password="y")
    assert 'name="next" value="/auth/sessions/"' in first.content.decode()
    assert visitor.log_in(alice, query="?next=/auth/sessions/")["Location"] == "/auth/sessions/"


@pytest.mark.parametrize("path", ["sessions/", "reauthenticate/", "password/change/"])
def test_who_is_not_signed_in_is_asked_to_and_comes_back(visitor, alice, path):
    answer = visitor.get(f"/auth/{path}")
    assert answer["Location"] == f"/auth/login/?next=%2Fauth%2F{quote(path, safe='')}"
    assert visitor.log_in(alice, query=f"?next=/auth/{path}")["Location"] == f"/auth/{path}"


# devices


def test_a_page_of_devices_leads_on_to_older_ones(signed_in, alice, monkeypatch):
    monkeypatch.setattr(registry.page_for, "__defaults__", (3, keys.MAX_ID))
    for _ in range(7):
        Client().force_login(alice)
    address, shown = "/auth/sessions/", []
    while address is not None:
        text = signed_in.get(address).content.decode()
        shown += re.findall(r"/sessions/([\w-]{11})/end/", text)
        found = re.search(r'href="(\?before=[\w-]{11})"', text)
        address = found and "/auth/sessions/" + found[1]
        assert text.count('class="badge">This device') == (len(shown) <= 4)
    assert len(shown) == len(set(shown)) == 8


@pytest.mark.rule("R17")
def test_the_page_shows_all_devices_this_one_first(signed_in, alice):
    other = Visitor(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    other.log_in(alice)
    program = TokenApi()
    text = signed_in.get("/auth/sessions/").content.decode()
    assert text.count('<li class="device') == 2
    assert text.index("This device") < text.index("Firefox on Linux")
    assert "127.0.0.1" in text
    assert program.key is None


def test_the_page_shows_what_ended_and_how(signed_in, alice):
    other = Visitor(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    other.log_in(alice)
    assert "Recently ended" not in signed_in.get("/auth/sessions/").content.decode()
    other.submit("/auth/logout/")
    text = signed_in.get("/auth/sessions/").content.decode()
    ended = text[text.index("Recently ended") :]
    assert "Firefox on Linux" in ended
    assert "Signed out" in ended


@pytest.mark.rule("R17")
def test_one_device_is_signed_out_and_refused_at_its_next_request(signed_in, alice):
    other = Visitor()
    other.log_in(alice)
    ends = keys.encode_id(keys.parse(other.cookies["sessionid"].value).id)
    answer = signed_in.submit("/auth/sessions/", action=f"/auth/sessions/{ends}/end/")
    assert answer["Location"] == "/auth/sessions/?done=ended"
    assert who(other) == ""
    assert who(signed_in)


def test_signing_out_this_device_here_signs_out(signed_in):
    ends = keys.encode_id(keys.parse(signed_in.cookies["sessionid"].value).id)
    answer = signed_in.submit("/auth/sessions/", action=f"/auth/sessions/{ends}/end/")
    assert answer["Location"] == "/auth/login/?done=out"
    assert who(signed_in) == ""


@pytest.mark.rule("R46")
@pytest.mark.parametrize("name", ["x", "A" * 11, None])
def test_what_is_no_session_of_ones_own_is_left_alone(signed_in, make_user, name):
    bob = Visitor()
    bob.log_in(make_user())
    name = name or keys.encode_id(keys.parse(bob.cookies["sessionid"].value).id)
    answer = signed_in.submit("/auth/sessions/", action=f"/auth/sessions/{name}/end/")
    assert answer["Location"] == "/auth/sessions/?done=ended"
    assert who(bob)


def test_all_other_devices_are_signed_out_at_once(signed_in, alice):
    others = [Visitor(), Visitor()]
    for other in others:
        other.log_in(alice)
    signed_in.submit("/auth/sessions/", action="/auth/sessions/end-others/")
    assert [who(other) for other in others] == ["", ""]
    assert who(signed_in)


def test_ending_others_asks_for_the_password_when_the_last_proof_is_old(signed_in, alice):
    other = Visitor()
    other.log_in(alice)
    grow_old()
    answer = signed_in.submit("/auth/sessions/", action="/auth/sessions/end-others/")
    assert answer["Location"] == "/auth/reauthenticate/?next=%2Fauth%2Fsessions%2F"
    assert who(other)
    wrong = signed_in.submit(answer["Location"], password="wrong")
    assert wrong.status_code == 401
    proved = signed_in.submit(answer["Location"], password=PASSWORD)
    assert proved["Location"] == "/auth/sessions/"
    signed_in.submit("/auth/sessions/", action="/auth/sessions/end-others/")
    assert who(other) == ""


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.rule("R30")
def test_a_view_that_asks_for_a_recent_proof_leads_browsers_to_the_question_and_back(signed_in):
    assert signed_in.get("/safe/?a=1", headers=BROWSER).json() == {"opened": True}
    grow_old()
    answer = signed_in.get("/safe/?a=1", headers=BROWSER)
    assert answer["Location"] == "/auth/reauthenticate/?next=%2Fsafe%2F%3Fa%3D1"
    assert signed_in.submit(answer["Location"], password=PASSWORD)["Location"] == "/safe/?a=1"
    assert signed_in.get("/safe/?a=1", headers=BROWSER).json() == {"opened": True}


def test_a_program_is_told_what_is_asked_for(signed_in):
    grow_old()
    answer = signed_in.get("/safe/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")


# passwords


@pytest.mark.rule("R16")
def test_a_changed_password_signs_out_everywhere_else(signed_in, alice):
    other = Visitor()
    other.log_in(alice)
    fields = {"current_password": PASSWORD, "new_password": NEW, "again": NEW}
    assert signed_in.submit("/auth/password/change/", **fields)["Location"] == "/auth/sessions/?done=password"
    assert (bool(who(signed_in)), who(other)) == (True, "")
    assert Visitor().log_in(alice, NEW).status_code == 302


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"current_password": "wrong"}, "This is not the password."),
        ({"again": "another"}, "The two new passwords are not the same."),
        ({"new_password": ""}, "This field is required."),
    ],
)
def test_a_refused_change_says_why_and_changes_nothing(signed_in, alice, fields, says):
    given = {"current_password": PASSWORD, "new_password": NEW, "again": NEW, **fields}
    answer = signed_in.submit("/auth/password/change/", **given)
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert NEW not in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_the_proof_for_a_change_is_asked_before_anything_is_typed(signed_in):
    grow_old()
    answer = signed_in.get("/auth/password/change/")
    assert answer["Location"] == "/auth/reauthenticate/?next=%2Fauth%2Fpassword%2Fchange%2F"
    assert signed_in.submit(answer["Location"], password=PASSWORD)["Location"] == "/auth/password/change/"


def test_a_reset_by_mail_sets_the_password(visitor, signed_in, alice):
    answer = visitor.submit("/auth/password/reset/", email=alice.email)
    assert answer["Location"] == "/auth/password/reset/sent/"
    our_mail.wait()
    link = re.search(r"http://testserver(\S+)", mail.outbox[0].body)[1]
    other = Visitor()
    assert other.submit(link, new_password=NEW, again=NEW)["Location"] == "/auth/password/reset/done/"
    assert who(signed_in) == ""
    assert other.log_in(alice, NEW).status_code == 302
    spent = other.get(link)
    assert spent.status_code == 400
    assert "not good any more" in spent.content.decode()


@pytest.mark.rule("R34")
def test_a_reset_does_not_tell_whether_somebody_has_the_address(visitor, alice):
    answers = [
        visitor.submit("/auth/password/reset/", email=one) for one in (alice.email, "nobody@example.org")
    ]
    our_mail.wait()
    assert len({(answer.status_code, answer["Location"]) for answer in answers}) == 1
    assert len(mail.outbox) == 1


def test_mails_are_limited(visitor, alice):
    codes = [visitor.submit("/auth/password/reset/", email="a@example.org").status_code for _ in range(12)]
    assert codes == [302] * 10 + [429] * 2


# every page


PAGES = ("login/", "logout/", "reauthenticate/", "sessions/", "password/change/", "password/reset/")
PAGES += ("password/reset/sent/", "password/reset/done/", "password/reset/MQ/x-y/")


@pytest.mark.rule("R24")
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_kept_out_of_caches_and_frames(signed_in, path):
    answer = signed_in.get(f"/auth/{path}")
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Frame-Options"] == "DENY"
    policy = answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    text = answer.content.decode()
    assert "<script" not in text
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)


@pytest.mark.rule("R26")
@pytest.mark.parametrize(
    "path", ["login/", "logout/", "reauthenticate/", "sessions/end-others/", "password/change/"]
)
def test_every_form_is_csrf_checked(signed_in, path):
    assert signed_in.post(f"/auth/{path}", {"password": PASSWORD}).status_code == 403
    assert who(signed_in)


def test_password_managers_find_their_fields(visitor, signed_in):
    assert 'autocomplete="username"' in (text := visitor.get("/auth/login/").content.decode())
    assert 'autocomplete="current-password"' in text
    text = signed_in.get("/auth/password/change/").content.decode()
    assert text.count('autocomplete="new-password"') == 2


def test_another_language_is_spoken_where_there_is_one(visitor):
    with override_settings(USE_I18N=True, LANGUAGE_CODE="ar"):
        assert 'dir="rtl"' in visitor.get("/auth/login/").content.decode()


# the admin


def test_the_admin_signs_in_by_the_same_page(visitor, alice):
    answer = visitor.get("/admin/")
    login = visitor.get(answer["Location"])
    assert login["Location"] == "/auth/login/?next=%2Fadmin%2F"
    alice.is_staff = alice.is_superuser = True
    alice.save()
    assert visitor.log_in(alice, query="?next=/admin/")["Location"] == "/admin/"
    assert visitor.get("/admin/").status_code == 200


def test_who_may_not_use_the_admin_is_refused_and_not_sent_in_circles(signed_in):
    answer = signed_in.get("/admin/")
    assert signed_in.get(answer["Location"]).status_code == 403
