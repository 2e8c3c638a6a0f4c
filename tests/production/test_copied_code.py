"""What people copy from articles on session authentication works in production, by curl and from a page."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

import pytest

from tests.demo_server import ALICE
from tests.production.deployment import Browser

WRONG = {**ALICE, "password": "red-queen"}


@dataclass
class Curl:
    """What runs curl with a jar of cookies, as articles show it."""

    site: object
    jar: object

    def __call__(self, path, *options):
        """Return the status and the body of an answer."""
        command = ["curl", "-s", "-b", self.jar, "-c", self.jar, "-w", "\n%{http_code}", *options]
        done = subprocess.run(
            [*command, f"{self.site.url}{path}"],
            env=self.site.env,
            capture_output=True,
            text=True,
            check=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def post(self, path, data, *options):
        """Send JSON."""
        return self(path, "-H", "Content-Type: application/json", "-d", json.dumps(data), *options)


@pytest.fixture
def curl(site, tmp_path):
    """A jar of cookies for curl, and the site."""
    return Curl(site, str(tmp_path / "jar"))


@pytest.fixture
def browser(site):
    """What sends as `fetch` on a page of the site does."""
    return Browser(site)


def test_an_exempt_json_login_by_curl(curl):
    assert curl("/articles/check-session/") == (200, '{"isAuthenticated": false}')
    assert curl.post("/articles/login/", WRONG) == (401, '{"error": "Invalid credentials"}')
    assert curl.post("/articles/login/", ALICE) == (200, '{"message": "Login successful"}')
    assert curl("/articles/check-session/") == (200, '{"isAuthenticated": true, "username": "alice"}')
    assert curl("/articles/dashboard/") == (200, "Welcome, alice!")
    assert [curl("/articles/visits/")[1] for _ in range(3)] == [f'{{"visits": {n}}}' for n in (1, 2, 3)]
    assert curl("/articles/api/user/") == (200, '{"username":"alice","email":"alice@example.com"}')
    assert curl.post("/articles/logout/", {}) == (200, '{"message": "Logged out successfully"}')
    assert curl("/articles/check-session/") == (200, '{"isAuthenticated": false}')
    assert curl("/articles/dashboard/")[0] == 302
    assert curl("/articles/api/user/")[0] == 401


def test_the_login_of_a_single_page_app_by_curl(curl):
    assert curl.post("/articles/spa/login/", ALICE)[0] == 403
    _, headers = curl("/articles/csrf/", "-i")
    token = next(line.split()[1] for line in headers.splitlines() if line.lower().startswith("x-csrftoken:"))
    sent = ("-H", f"X-CSRFToken: {token}")
    assert curl.post("/articles/spa/login/", WRONG, *sent) == (400, '{"detail": "Invalid credentials."}')
    assert curl.post("/articles/spa/login/", ALICE, *sent) == (200, '{"detail": "Successfully logged in."}')
    assert curl("/articles/spa/session/") == (200, '{"isAuthenticated": true}')
    assert curl("/articles/spa/logout/") == (200, '{"detail": "Successfully logged out."}')
    assert curl("/articles/spa/session/") == (200, '{"isAuthenticated": false}')


def test_views_of_rest_framework_by_curl(curl):
    assert curl.post("/articles/api/login/", WRONG)[0] == 401
    assert curl.post("/articles/api/login/", ALICE) == (200, '{"message":"Login successful"}')
    assert curl("/articles/api/user/")[0] == 200
    assert curl.post("/copied/login/", ALICE) == (200, '{"message": "Logged in successfully"}')
    assert curl("/copied/dashboard/") == (200, '{"user":"alice"}')
    assert curl("/copied/api/profile/") == (200, '{"email":"alice@example.com"}')


def test_coroutines_by_curl(curl):
    assert curl.post("/articles/async/login/", WRONG)[0] == 401
    assert curl.post("/articles/async/login/", ALICE)[0] == 200
    assert curl("/articles/async/user/") == (200, '{"username": "alice"}')
    assert [curl("/articles/async/visits/")[1] for _ in range(2)] == ['{"visits": 1}', '{"visits": 2}']
    assert curl.post("/articles/async/logout/", {})[0] == 200
    assert curl("/articles/async/user/") == (200, '{"username": ""}')


def test_an_exempt_json_login_as_a_page_of_the_site_sends_it(browser):
    assert browser.fetch("POST", "/articles/login/", WRONG).status == 401
    assert browser.fetch("POST", "/articles/login/", ALICE).json == {"message": "Login successful"}
    assert browser.fetch("GET", "/articles/check-session/").json["username"] == "alice"
    assert browser.fetch("POST", "/copied/dashboard/", {"note": "tea"}).json == {"saved": {"note": "tea"}}
    assert browser.fetch("POST", "/articles/logout/").status == 200
    assert browser.fetch("GET", "/articles/check-session/").json == {"isAuthenticated": False}
