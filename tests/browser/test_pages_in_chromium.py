"""The pages as people use them: with a mouse, with the keyboard alone, small and large, light and dark."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.demo_server import ALICE, ROOT
from tests.near_sides import until

pytestmark = pytest.mark.browser

#: Set to write the pictures of the documentation: PICTURES=1 make test STAGES=browser ARGS="-k pages"
PICTURES = ROOT / "docs" / "images" if os.environ.get("PICTURES") else None
SIZES = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1100, "height": 760}}
SHOWN = {("login", "phone", "light"), ("reauthenticate", "phone", "dark")}
OPEN = (
    "login",
    "logout",
    "password/reset",
    "password/reset/sent",
    "password/reset/done",
    "password/reset/MQ/x-y",
)
CLOSED = ("sessions", "reauthenticate", "password/change", "logout")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def sign_in(page, credentials=ALICE):
    page.goto("/auth/login/")
    page.get_by_label("Username").fill(credentials["username"])
    page.get_by_label("Password").fill(credentials["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("banner")).to_contain_text("Signed in as")


def picture(page, name):
    if PICTURES is not None:
        Path(PICTURES).mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_everybody_can_read_and_use_every_page(chromium, site, size, scheme):
    context = chromium.new_context(base_url=site.url, viewport=SIZES[size], color_scheme=scheme)
    page = context.new_page()
    problems = {}
    for paths, before in ((OPEN, None), (CLOSED, sign_in)):
        if before is not None:
            before(page)
        for path in paths:
            page.goto(f"/auth/{path}/")
            found = Axe().run(page, options={"runOnly": RULES["runOnly"]})
            wide = page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
            if found.violations_count or wide:
                problems[path] = found.generate_report(), wide
            if (path, size, scheme) in SHOWN:
                picture(page, f"{path}-{size}-{scheme}")
    context.close()
    assert not problems


def test_everything_works_with_the_keyboard_alone(page, context):
    page.goto("/auth/login/?next=/auth/sessions/")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(ALICE["username"])
    page.keyboard.press("Tab")
    page.keyboard.type(ALICE["password"])
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # stay signed in
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Sign out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("banner")).to_contain_text("Not signed in")
    assert not [cookie for cookie in context.cookies() if cookie["name"] == "sessionid"]


DESKTOP = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.rule("R17")
def test_another_device_is_signed_out_and_refused_at_its_next_request(chromium, site):
    desktop, phone = (
        chromium.new_context(base_url=site.url, user_agent=agent, viewport={"width": 820, "height": 560})
        for agent in (DESKTOP, PHONE)
    )
    page, other = desktop.new_page(), phone.new_page()
    sign_in(page)
    sign_in(other)
    page.goto("/auth/sessions/")
    page.get_by_role("button", name="Sign out everywhere else").click()
    sign_in(other)
    page.goto("/auth/sessions/")
    live = page.get_by_role("listitem").filter(has=page.get_by_role("button"))  # those that ended have none
    row = live.filter(has_text="Safari on iPhone")
    expect(row).to_have_count(1)
    picture(page, "devices")
    row.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("Signed out. That device")
    expect(row).to_have_count(0)
    other.goto("/auth/sessions/")
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    desktop.close()
    phone.close()


@pytest.mark.rule("R25")
def test_the_back_button_shows_nothing_after_signing_out(page):
    sign_in(page)
    page.goto("/auth/sessions/")
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    page.goto("/auth/logout/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("banner")).to_contain_text("Not signed in")
    for heading in ("Sign out", "Sign in"):  # the question, then what was the list
        page.go_back()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_text("Where alice is signed in")).to_have_count(0)


def test_a_wrong_password_says_so_and_keeps_the_name(page):
    page.goto("/auth/login/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("rabbit")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("That did not work")
    expect(page.get_by_label("Username")).to_have_value("alice")
    expect(page.get_by_label("Password")).to_have_value("")


@pytest.mark.rule("R59")
def test_a_link_in_webmail_leads_to_the_form_and_its_token_is_in_no_later_address(page, site):
    page.goto("/auth/password/reset/")
    page.get_by_label("E-mail address").fill("alice@example.com")
    page.get_by_role("button").first.click()
    expect(page).to_have_url(f"{site.url}/auth/password/reset/sent/")
    mailed = re.compile(rf"{site.url}/auth/password/reset/\S+")
    until(lambda: mailed.search("".join(site.log)))  # the demo prints its mails
    link = mailed.search("".join(site.log))[0]
    before = len(site.log)
    asked = []
    page.on("request", lambda request: asked.append((request.url, request.headers.get("referer", ""))))
    page.goto(f"data:text/html,<a href='{link}'>the mail</a>")  # another site
    page.get_by_text("the mail").click()
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    for password in ("alice", ALICE["password"]):  # the first is refused
        page.get_by_label("New password", exact=True).fill(password)
        page.get_by_label("New password, again").fill(password)
        page.get_by_role("button", name="Set password").click()
    expect(page).to_have_url(f"{site.url}/auth/password/reset/done/")
    token = link.rstrip("/").rpartition("/")[2]
    assert [url for url, _ in asked if token in url and not url.startswith("data:")] == [link]
    assert not [referer for _, referer in asked if token in referer]
    lines = [line for line in "".join(site.log[before:]).splitlines() if token in line]
    assert [" 302 " in line for line in lines] == [True]
    page.goto(link)
    expect(page.get_by_role("heading", name="This link no longer works")).to_be_visible()
