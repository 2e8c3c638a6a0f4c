"""A real Chromium at a site in production: the tutorial's pages, the admin, copied code by `fetch`."""

from __future__ import annotations

import pytest

from tests.demo_server import ADMIN, ALICE

pytestmark = pytest.mark.browser
FETCH = """async ([path, data]) => {
    const sent = {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(data)};
    const answer = await fetch(path, data === null ? {} : sent);
    const text = await answer.text();
    return [answer.status, text];
}"""


@pytest.fixture
def page(chromium, site):
    """A tab of a new profile, at the site."""
    context = chromium.new_context(base_url=site.url)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def test_copied_code_by_fetch(page):
    page.goto("/")
    asked = lambda path, data=None: page.evaluate(FETCH, [path, data])  # noqa: E731
    assert asked("/articles/login/", {**ALICE, "password": "red-queen"})[0] == 401
    assert asked("/articles/login/", ALICE) == [200, '{"message": "Login successful"}']
    assert asked("/articles/check-session/") == [200, '{"isAuthenticated": true, "username": "alice"}']
    assert asked("/articles/visits/") == [200, '{"visits": 1}']
    page.goto("/articles/dashboard/")
    assert page.text_content("body") == "Welcome, alice!"
    page.goto("/articles/visits/")
    assert '{"visits": 2}' in page.text_content("body")
    assert asked("/articles/logout/", {}) == [200, '{"message": "Logged out successfully"}']
    page.goto("/articles/dashboard/")
    assert page.url.endswith("/login/?next=/articles/dashboard/")


@pytest.mark.takes_long
def test_the_form_of_the_tutorial_and_the_page_of_devices(page):
    page.goto("/articles/dashboard/")
    page.fill("[name=username]", ALICE["username"])
    page.fill("[name=password]", ALICE["password"])
    page.click("main button")
    assert page.text_content("body") == "Welcome, alice!"
    page.goto("/auth/sessions/")
    assert "Chrome" in page.text_content("main")
    page.goto("/")
    page.click("text=Log out")
    page.wait_for_selector("text=Not signed in")


@pytest.mark.takes_long
def test_the_admin(page):
    page.goto("/admin/")
    page.fill("[name=username]", ADMIN["username"])
    page.fill("[name=password]", ADMIN["password"])
    page.click("[type=submit]")
    page.goto("/admin/sessionkeeper/session/")
    assert "admin" in page.text_content("#result_list")
    page.goto("/dashboard/?format=json")
    assert '{"user":"admin"}' in page.text_content("body")
