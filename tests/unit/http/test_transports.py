"""How a key travels: in a cookie, or in a header, and nowhere else."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from sessionkeeper.core import keys
from sessionkeeper.core.keys import Secret
from sessionkeeper.http.transports import Bearer, Cookie

TOKEN = keys.to_bearer(keys.mint())


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_of_ours_is_read_whatever_case_the_scheme_has(rf, scheme):
    assert Bearer.read(rf.get("/", headers={"Authorization": f"{scheme} {TOKEN}"})) == Secret(TOKEN)


@pytest.mark.parametrize(
    "header", ["", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"]
)
def test_what_belongs_to_others_is_left_to_them(rf, header):
    assert Bearer.read(rf.get("/", headers={"Authorization": header})) is None


def test_a_token_counts_in_its_header_only(rf):
    request = rf.post(f"/?token={TOKEN}&access_token={TOKEN}", {"access_token": TOKEN})
    assert Bearer.read(request) is None
    assert Cookie.read(request) is None


def test_other_cookies_of_the_name_are_found_each_once(rf, settings):
    name = settings.SESSION_COOKIE_NAME
    request = rf.get("/", headers={"Cookie": f"{name}=one; other=x; {name}=two; {name}=one; {name}=three"})
    assert {Cookie.read(request), *Cookie.other_cookies(request)} == set(map(Secret, ("one", "two", "three")))
    assert len(Cookie.other_cookies(request)) == 2


def test_one_cookie_has_no_rival(rf, settings):
    request = rf.get("/", headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}=one; other=x"})
    assert Cookie.other_cookies(request) == ()


def test_the_cookie_has_the_flags_of_djangos_settings_and_is_cleared_where_it_was_set(settings):
    settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_SAMESITE = True, "Strict"
    settings.SESSION_COOKIE_PATH = "/app"
    response = HttpResponse()
    Cookie.write(response, Secret("key"), 60)
    cookie = response.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("key", 60, "/app")
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")
    response = HttpResponse()
    Cookie.clear(response)
    cookie = response.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie.value, cookie["max-age"], cookie["path"], cookie["samesite"]) == ("", 0, "/app", "Strict")


@pytest.mark.parametrize(("transport", "header"), [(Cookie, "Cookie"), (Bearer, "Authorization")])
def test_what_the_answer_depends_on_is_added_to_what_the_view_said(transport, header):
    response = HttpResponse(headers={"Vary": "Accept-Language"})
    transport.vary(response)
    transport.vary(response)
    assert response["Vary"] == f"Accept-Language, {header}"
