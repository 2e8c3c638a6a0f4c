"""The demo as a person meets it, in Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.demo_server import ADMIN, ALICE

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/login/",
    "/javascript/",
    "/dashboard/",
    "/api/notes/",
    "/api-auth/login/",
    "/api/auth/session/",
)


def fill_and_submit(page, credentials):
    """Fill in whatever login form is shown."""
    page.get_by_label("Username").fill(credentials["username"])
    page.get_by_label(re.compile("^Password")).fill(credentials["password"])
    page.get_by_role("button", name="Log in", exact=True).click()


def log_in(page, credentials=ALICE):
    page.goto("/login/")
    fill_and_submit(page, credentials)
    expect(page.get_by_role("banner")).to_contain_text("Signed in as")


def session_cookie(context):
    return next((cookie for cookie in context.cookies() if cookie["name"] == "sessionid"), None)


def test_signing_in_reading_writing_and_signing_out(page, context):
    page.goto("/")
    page.get_by_role("banner").get_by_role("link", name="Log in").click()
    fill_and_submit(page, ALICE)
    expect(page.get_by_role("banner")).to_contain_text("Signed in as alice")

    page.get_by_role("link", name="/dashboard/").click()
    expect(page.locator(".response-info")).to_contain_text('"user": "alice"')
    page.goto("/api/profile/")
    expect(page.locator(".response-info")).to_contain_text('"email": "alice@example.com"')

    page.goto("/javascript/")
    page.get_by_label("New note").fill("Follow the rabbit <b>")
    page.get_by_role("button", name="Write it").click()
    expect(page.get_by_role("status")).to_contain_text("201 Created")
    expect(page.get_by_role("listitem").last).to_contain_text("Follow the rabbit <b>")
    page.get_by_role("button", name="Delete: Follow the rabbit").click()
    expect(page.get_by_role("status")).to_contain_text("204")

    page.goto("/")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("banner")).to_contain_text("Not signed in")
    assert session_cookie(context) is None
    assert page.goto("/dashboard/").status == 401


def test_signing_in_and_out_with_fetch(page, context):
    page.goto("/javascript/")
    fill_and_submit(page, {**ALICE, "password": "guess"})
    expect(page.get_by_role("status")).to_contain_text("401 invalid_credentials")
    fill_and_submit(page, ALICE)
    expect(page.get_by_text("Signed in as alice")).to_be_visible()
    page.get_by_role("button", name="Log out with fetch").click()
    expect(page.get_by_label("Username")).to_be_visible()
    assert session_cookie(context) is None


def test_the_browsable_api_has_its_own_login_and_logout(page):
    page.goto("/api/notes/")
    page.get_by_role("link", name="Log in").click()
    fill_and_submit(page, ALICE)
    page.wait_for_url("**/api/notes/")
    expect(page.locator(".response-info")).to_contain_text("200 OK")

    page.locator("input[name=text]").fill("Off with it")
    page.get_by_role("button", name="POST").click()
    expect(page.locator(".response-info")).to_contain_text("201 Created")

    page.get_by_role("link", name="alice").click()
    page.get_by_text("Log out").click()
    page.wait_for_url("**/")
    assert page.goto("/api/notes/").status == 401


def test_signing_in_through_the_admin_opens_the_dashboard(page):
    page.goto("/admin/")
    page.get_by_label("Username").fill(ADMIN["username"])
    page.get_by_label("Password").fill(ADMIN["password"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    page.goto("/dashboard/")
    expect(page.locator(".response-info")).to_contain_text('"user": "admin"')


def test_scripts_cannot_read_the_session_cookie(page, context):
    log_in(page)
    cookie = session_cookie(context)
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert "sessionid" not in page.evaluate("document.cookie")
    assert {each["sameSite"] for each in context.cookies()} == {"Lax"}


@pytest.mark.parametrize("signed_in", [False, True], ids=["anonymous", "signed in"])
def test_pages_fit_a_small_phone(page, signed_in):
    page.set_viewport_size({"width": 360, "height": 640})
    if signed_in:
        log_in(page)
    for path in PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
