"""A site in frames of other sites: signed in there, in each of them apart."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.demo_server import ALICE, running_demo

pytestmark = pytest.mark.browser

LOG_IN = """async (credentials) => (await fetch("/api/auth/login/", {
  method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(credentials),
})).status"""
LOG_OUT = """async () => (await fetch("/api/auth/logout/", {method: "POST"})).status"""
WHO = """async () => (await fetch("/api/auth/session/")).status"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A demo that may be embedded."""
    with running_demo(tmp_path_factory.mktemp("demo"), "tests.demo_settings.embedded") as site:
        yield site


@contextmanager
def around(address):
    """Serve a page with a frame in which ``address`` is."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<!doctype html><iframe src="{address}"></iframe>'.encode())

        def log_message(self, *args):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def frame_in(context, address):
    """Open a page and return the frame in it."""
    page = context.new_page()
    page.goto(address, wait_until="load")
    return page.frames[1]


@pytest.mark.rule("R21")
def test_each_site_around_has_a_session_of_its_own(chromium, site):
    context = chromium.new_context()
    inner = f"{site.url.replace('127.0.0.1', 'localhost')}/api/auth/csrf/"
    with around(inner) as port:
        first = frame_in(context, f"http://127.0.0.1:{port}/")
        assert first.evaluate(WHO) == 401
        assert first.evaluate(LOG_IN, ALICE) == 200
        assert first.evaluate(WHO) == 200
        cookies = {cookie["name"]: cookie for cookie in context.cookies()}
        assert {"sessionid", "csrftoken"} <= cookies.keys()
        assert all(cookie.get("partitionKey") for cookie in cookies.values())
        other = frame_in(context, f"http://other.test:{port}/")
        assert other.evaluate(WHO) == 401
        assert first.evaluate(LOG_OUT) == 204
        assert first.evaluate(WHO) == 401
        assert "sessionid" not in {cookie["name"] for cookie in context.cookies()}
    context.close()
