"""A single-page app on one host and its API on another, as docs/howto/cross-origin.md sets them up."""

from __future__ import annotations

import ssl
import threading
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

import sessionkeeper
from tests.demo_server import ALICE, running_demo

pytestmark = pytest.mark.browser

CLIENT = (Path(sessionkeeper.__file__).parent / "static/sessionkeeper/client.js").read_bytes()
START = """async (api) => {
  const { SessionClient } = await import("/client.js");
  window.client = new SessionClient({ api: `${api}/api/auth/`, pollSeconds: 0 });
  window.happened = [];
  for (const type of ["signed-in", "signed-out"]) client.addEventListener(type, () => happened.push(type));
}"""
TRY = """async ([verb, ...given]) => {
  try { return ["done", await client[verb](...given)]; }
  catch (problem) { return [problem.code ?? problem.name, null]; }
}"""
WRITE = ["json", "/api/notes/", {"body": {"text": "From afar"}}]
#: By hand, past the client: it is not told that the token has changed.
SIGN_IN_BY_HAND = """async ([api, credentials]) => {
  const ask = (path, init) => fetch(`${api}/api/auth/${path}`, {credentials: "include", ...init});
  const { csrf_token: token } = await (await ask("csrf/")).json();
  const headers = {"Content-Type": "application/json", "X-CSRFToken": token};
  return (await ask("login/", {method: "POST", headers, body: JSON.stringify(credentials)})).status;
}"""
FORGE = """async (api) => {
  const headers = {"Content-Type": "text/plain"};
  const init = {method: "POST", mode: "no-cors", credentials: "include", headers, body: "{}"};
  for (const path of ["logout/", "sessions/revoke-all/"])
    await fetch(`${api}/api/auth/${path}`, init).catch(() => 0);
}"""


class App(BaseHTTPRequestHandler):
    """The client, and an empty page at every other address."""

    def do_GET(self):
        script = self.path == "/client.js"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html")
        self.end_headers()
        self.wfile.write(CLIENT if script else b"<!doctype html><title>App</title>")

    def log_message(self, *args):
        """Say nothing."""


class Front(App):
    """Ends TLS: passes on to the demo what comes for a host named api, and is the app to all others."""

    def do_GET(self):
        if self.headers["Host"].startswith("api."):
            self.pass_on()
        else:
            super().do_GET()

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {**dict(self.headers), "X-Forwarded-Proto": "https"}
        with closing(HTTPConnection("127.0.0.1", self.server.api_port)) as connection:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.pass_on()

    def do_OPTIONS(self):
        self.pass_on()


@contextmanager
def served(handler, certificate=None):
    """A server on a free port, in a thread of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def api_for(port, folder, scheme="http"):
    """The demo, which lets the app's origins in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_APP_PORT", str(port))
        patch.setenv("TEST_APP_SCHEME", scheme)
        with running_demo(folder, "tests.demo_settings.cross_origin") as site:
            yield site


@pytest.fixture(scope="module")
def app_port():
    """The port of the server with the app's files."""
    with served(App) as server:
        yield server.server_address[1]


@pytest.fixture(scope="module")
def site(chromium, app_port, tmp_path_factory):
    """The API of the app over plain http."""
    with api_for(app_port, tmp_path_factory.mktemp("demo")) as site:
        yield site


def open_app(context, address, api):
    """Open the app in a tab of its own, with a client for an API."""
    page = context.new_page()
    page.sent = []
    page.on("response", lambda answer: page.sent.append((answer.request.method, answer.url, answer.status)))
    page.goto(address)
    page.evaluate(START, api)
    return page


@pytest.fixture
def visit(context, app_port):
    """Open the app under the name of a host."""
    return lambda host, api: open_app(context, f"http://{host}:{app_port}/", api)


# Over plain http browsers send Sec-Fetch-Site to loopback names only. For the others Origin does.
@pytest.fixture(params=["example.test", "demo.localhost"])
def hosts(request, site):
    """The host of the app and the address of the API, two hosts of one site."""
    return f"app.{request.param}", f"http://api.{request.param}:{site.port}"


def posts(page, path):
    """The statuses of the POSTs to a path that a tab has sent."""
    return [status for method, url, status in page.sent if method == "POST" and url.endswith(path)]


def test_the_app_signs_in_reads_and_writes_with_a_cookie_of_the_api_alone(visit, hosts, context):
    host, api = hosts
    page = visit(host, api)
    assert page.evaluate(TRY, ["session"]) == ["done", None]
    done, signed_in = page.evaluate(TRY, ["login", ALICE])
    assert (done, signed_in["user"]["username"]) == ("done", "alice")
    assert page.evaluate(TRY, WRITE)[0] == "done"
    assert posts(page, "/login/") == [200]
    assert posts(page, "/notes/") == [201]  # the token was there before it was asked for
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    assert {cookie["domain"] for cookie in cookies.values()} == {f"api.{host.removeprefix('app.')}"}
    assert cookies["sessionid"]["sameSite"] == "Lax"
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("client.endsAt - Date.now()") > 0
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_a_stale_token_is_renewed_and_the_request_sent_once_more(visit, hosts):
    host, api = hosts
    page = visit(host, api)
    page.evaluate(TRY, ["login", ALICE])
    page.evaluate(TRY, WRITE)
    assert page.evaluate(SIGN_IN_BY_HAND, [api, ALICE]) == 200
    assert page.evaluate(TRY, WRITE)[0] == "done"
    assert posts(page, "/notes/") == [201, 403, 201]


def test_a_request_that_is_refused_again_is_not_sent_a_third_time(visit, hosts):
    host, api = hosts
    page = visit(host, api)
    page.evaluate(TRY, ["login", ALICE])

    def refuse(route):
        if route.request.method == "OPTIONS":
            route.continue_()
            return
        allowed = route.request.headers["origin"]
        headers = {"Access-Control-Allow-Origin": allowed, "Access-Control-Allow-Credentials": "true"}
        route.fulfill(status=403, headers=headers, json={"code": "csrf_token_incorrect", "detail": "No."})

    page.route("**/api/notes/", refuse)
    assert page.evaluate(TRY, WRITE)[0] == "csrf_token_incorrect"
    assert posts(page, "/notes/") == [403, 403]


def test_all_tabs_of_the_app_hear_of_a_sign_in_and_a_sign_out(visit, hosts):
    host, api = hosts
    page, other = visit(host, api), visit(host, api)
    page.evaluate(TRY, ["login", ALICE])
    other.wait_for_function("client.user?.username === 'alice'")
    other.evaluate(TRY, ["logout"])
    page.wait_for_function("client.user === null")
    for tab in (page, other):
        assert tab.evaluate("happened") == ["signed-in", "signed-out"]


@pytest.mark.rule("R26")
def test_another_host_of_the_site_that_is_not_listed_can_neither_read_nor_write(visit, hosts):
    host, api = hosts
    page = visit(host, api)
    page.evaluate(TRY, ["login", ALICE])
    evil = visit(host.replace("app.", "evil."), api)
    assert evil.evaluate(TRY, ["session"]) == ["TypeError", None]
    assert evil.evaluate(TRY, ["login", ALICE]) == ["TypeError", None]
    evil.evaluate(FORGE, api)
    assert posts(evil, "/logout/") + posts(evil, "/revoke-all/") == [403, 403]
    assert page.evaluate(TRY, ["session"])[1]["user"]["username"] == "alice"


def test_another_site_is_refused_even_where_it_is_listed(visit, context, site):
    page = visit("elsewhere.test", f"http://api.example.test:{site.port}")
    assert page.evaluate(TRY, ["session"]) == ["done", None]  # it may read, as nobody
    assert page.evaluate(TRY, ["login", ALICE]) == ["csrf_cookie_missing", None]
    assert context.cookies() == []


def test_with_https_the_cookies_belong_to_the_host_of_the_api_by_their_names(chromium, tmp_path):
    certificate = trustme.CA().issue_cert("app.example.test", "api.example.test", "elsewhere.test")
    with served(Front, certificate) as front:
        port = front.server_address[1]
        with api_for(port, tmp_path, "https") as site:
            front.api_port = site.port
            context = chromium.new_context(ignore_https_errors=True)
            api = f"https://api.example.test:{port}"
            page = open_app(context, f"https://app.example.test:{port}/", api)
            assert page.evaluate(TRY, ["login", ALICE])[0] == "done"
            assert page.evaluate(TRY, WRITE)[0] == "done"
            names = {cookie["name"] for cookie in context.cookies() if cookie["domain"] == "api.example.test"}
            assert names >= {"__Host-sessionid", "__Host-csrftoken"}
            assert all(
                cookie["secure"] for cookie in context.cookies() if cookie["name"].startswith("__Host-")
            )
            foreign = open_app(
                chromium.new_context(ignore_https_errors=True), f"https://elsewhere.test:{port}/", api
            )
            assert foreign.evaluate(TRY, ["login", ALICE]) == ["csrf_cookie_missing", None]
            assert foreign.context.cookies() == []
            foreign.context.close()
            context.close()
