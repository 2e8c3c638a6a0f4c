"""What all pages share: where they lead, what keeps them out of caches and frames, and the CSRF check."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import PASSWORD
from tests.http.pages_site import who

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.pages_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


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


def test_another_language_is_spoken_where_there_is_one(visitor):
    with override_settings(USE_I18N=True, LANGUAGE_CODE="ar"):
        assert 'dir="rtl"' in visitor.get("/auth/login/").content.decode()
