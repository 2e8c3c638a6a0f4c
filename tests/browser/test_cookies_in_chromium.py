"""What a browser holds and sends: cookies that a sibling host has set, and two of one name."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer

import pytest

from tests.browser.test_cross_site_in_chromium import Blank, log_in, whoami
from tests.demo_server import ADMIN, ALICE, running_demo

pytestmark = pytest.mark.browser

PLANT = """([name, value]) => {
  document.cookie = `${name}=${value}; path=/; domain=demo.localhost; secure`;
}"""


@pytest.fixture(scope="module")
def prefixed(chromium, tmp_path_factory):
    """A demo whose cookies only its own host can set."""
    with running_demo(tmp_path_factory.mktemp("prefixed"), "tests.demo_settings.prefixed") as site:
        yield site


@pytest.fixture(scope="module")
def with_domain(chromium, tmp_path_factory):
    """A demo whose cookie is for all hosts of a domain."""
    with running_demo(tmp_path_factory.mktemp("domain"), "tests.demo_settings.domain") as site:
        yield site


@pytest.fixture
def profile(chromium):
    """A browser profile of its own."""
    profile = chromium.new_context()
    profile.set_default_timeout(15_000)
    yield profile
    profile.close()


def key_of(chromium, address, user, name):
    """Sign in elsewhere, and return the key."""
    other = chromium.new_context()
    page = other.new_page()
    page.goto(address + "/login/")
    page.get_by_label("Username").fill(user["username"])
    page.get_by_label("Password").fill(user["password"])
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(address + "/")
    key = next(cookie["value"] for cookie in other.cookies() if cookie["name"] == name)
    other.close()
    return key


@pytest.mark.rule("R58")
@pytest.mark.parametrize("blank", ["\u2003", "\u00a0", "\u0085", "\u3000", "\u2028"], ids=ascii)
def test_a_sibling_host_plants_no_session_by_a_blank_in_the_name(chromium, profile, prefixed, blank):
    address = f"http://shop.demo.localhost:{prefixed.port}"
    planted = key_of(chromium, address, ADMIN, "__Host-sessionid")
    with_attacker = profile.new_page()
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with_attacker.goto(f"http://evil.demo.localhost:{server.server_address[1]}/")
        with_attacker.evaluate(PLANT, [f"{blank}__Host-sessionid", planted])
        with_attacker.evaluate(PLANT, ["__Host-sessionid", planted])  # which the browser refuses
        server.shutdown()
        thread.join()
    sent = [cookie["name"] for cookie in profile.cookies(address)]
    assert f"{blank}__Host-sessionid" in sent
    assert "__Host-sessionid" not in sent
    page = profile.new_page()
    assert whoami(page, address) == [None, 0]
    log_in(page, address)
    assert whoami(page, address)[0] == ALICE["username"]


@pytest.mark.rule("R22")
def test_a_sign_in_takes_effect_although_a_cookie_is_left_from_before_the_domain(
    chromium, profile, with_domain
):
    address = f"http://shop.demo.localhost:{with_domain.port}"
    keys = [key_of(chromium, address, user, "sessionid") for user in (ALICE, ADMIN)]
    profile.add_cookies(
        [
            {"name": "sessionid", "value": keys[0], "url": address},
            {"name": "sessionid", "value": keys[1], "domain": ".demo.localhost", "path": "/"},
        ]
    )
    page = profile.new_page()
    assert whoami(page, address) == [None, 0]
    log_in(page, address)
    assert whoami(page, address)[0] == ALICE["username"]
    held = [cookie["domain"] for cookie in profile.cookies() if cookie["name"] == "sessionid"]
    assert held == [".demo.localhost"]
