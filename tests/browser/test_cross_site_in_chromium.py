"""Which pages can act in a visitor's name: this site's own, without a token; nobody else's, with one."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.demo_server import ADMIN, ALICE

pytestmark = pytest.mark.browser

TOKEN = "a" * 32  # in cookie and field alike, it is a valid pair to Django
JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"

# The host under which the visitor knows the site, the host of the page that attacks, what the browser says.
# Browsers send Sec-Fetch-Site to loopback addresses and https only: to shop.test they send Origin alone.
ATTACKS = {
    "another site": ("127.0.0.1", "localhost", "cross-site"),
    "another port": ("127.0.0.1", "127.0.0.1", "same-site"),
    "a sibling domain": ("shop.demo.localhost", "evil.demo.localhost", "same-site"),
    "another site, plain http": ("shop.test", "evil.test", None),
    "another port, plain http": ("shop.test", "shop.test", None),
    "a sibling domain, plain http": ("shop.demo.test", "evil.demo.test", None),
}
SAYS = {
    "cross-site": "a page of another site sent this request",
    "same-site": "a page of a sibling domain, or of another port, sent this request",
    None: "The Origin header names another origin than this site",
}
HOSTS = sorted({target for target, _, _ in ATTACKS.values()})

FETCH = """async ([target, requests]) => {
  for (const [path, mode, type, body] of requests) {
    const headers = {"Content-Type": type};
    await fetch(target + path, {method: "POST", mode, credentials: "include", headers, body}).catch(() => 0);
  }
}"""
IMAGE = """async ([target, paths]) => {
  for (const path of paths) {
    const image = new Image();
    const done = new Promise((resolve) => { image.onload = image.onerror = resolve; });
    image.src = target + path;
    await done;
  }
}"""
SUBMIT = """([action, enctype, fields]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action, enctype});
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement("input"), {name, value}));
  document.body.append(form);
  form.submit();
}"""
PLANT_TOKEN = """([token, parent]) => {
  document.cookie = `csrftoken=${token}; path=/`;
  if (parent) document.cookie = `csrftoken=${token}; path=/; domain=${parent}`;
}"""


class Blank(BaseHTTPRequestHandler):
    """An empty page at every address."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Win a prize</title><body>")

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere():
    """The port of another server, whose pages attack."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(params=ATTACKS)
def attack(request, site, elsewhere):
    """The address of the site, the address of the page that attacks, and what the browser says."""
    target, attacker, said = ATTACKS[request.param]
    return f"http://{target}:{site.port}", f"http://{attacker}:{elsewhere}/", said


@pytest.fixture
def evil(context, attack):
    """A tab with the attacker's page, that planted a CSRF token wherever it can; the answers to its POSTs."""
    _, address, _ = attack
    page = context.new_page()
    page.answers = []
    page.on(
        "response", lambda answer: page.answers.append(answer) if answer.request.method == "POST" else None
    )

    def visit():
        page.goto(address)
        host = address.split("/")[2].partition(":")[0]
        parent = host.partition(".")[2] if host.count(".") == 2 else None
        page.evaluate(PLANT_TOKEN, [TOKEN, parent])

    page.visit = visit
    return page


def log_in(page, site_url):
    page.goto(site_url + "/login/")
    page.get_by_label("Username").fill(ALICE["username"])
    page.get_by_label("Password").fill(ALICE["password"])
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(site_url + "/")


def whoami(page, site_url):
    """Who is signed in, as the site's own pages see it, and how many notes they have."""
    page.goto(site_url + "/javascript/")
    return page.evaluate(
        """async () => {
          const headers = {Accept: "application/json"};
          const session = await (await fetch("/api/auth/session/", {headers})).json();
          const notes = await (await fetch("/api/notes/", {headers})).json();
          return [session.user?.username ?? null, session.user ? notes.length : 0];
        }"""
    )


def encoded(fields):
    return "&".join(f"{name}={value}" for name, value in fields.items())


WRITES = {
    "/login/": ADMIN,
    "/api/auth/login/": ADMIN,
    "/api-auth/login/": ADMIN,
    "/admin/login/": ADMIN,
    "/logout/": {},
    "/api/auth/logout/": {},
    "/api/notes/": {"text": "Forged"},
}
REQUESTS = [
    request
    for path, fields in WRITES.items()
    for request in (
        (path, "cors", FORM, encoded({**fields, "csrfmiddlewaretoken": TOKEN})),
        (path, "no-cors", FORM, encoded({**fields, "csrfmiddlewaretoken": TOKEN})),
        (path, "no-cors", TEXT, '{"username": "admin", "password": "looking-glass-house", "text": "Forged"}'),
        (path, "cors", JSON, '{"username": "admin", "password": "looking-glass-house", "text": "Forged"}'),
    )
]


@pytest.mark.rule("R26")
@pytest.mark.rule("R27")
@pytest.mark.parametrize("signed_in", [False, True], ids=["visitor", "signed in"])
def test_a_page_of_somebody_else_cannot_sign_in_or_out_or_write(page, evil, attack, signed_in):
    """By fetch with and without CORS, by image, and by form; with a CSRF token where it can get one."""
    target, _, said = attack
    if signed_in:
        log_in(page, target)
    before = whoami(page, target)
    assert before[0] == ("alice" if signed_in else None)

    evil.visit()
    evil.evaluate(FETCH, [target, REQUESTS])
    evil.evaluate(IMAGE, [target, ["/logout/", "/api/auth/logout/", "/api/notes/?text=Forged", "/login/"]])
    assert len(evil.answers) >= len(WRITES) * 2  # answers that CORS hides from the page may be missing
    for answer in evil.answers:
        # Cookies do not come along across sites: to the notes it is nobody who asks.
        assert answer.status == 403 or (answer.status == 401 and answer.url.endswith("/api/notes/")), (
            answer.url
        )
    assert whoami(page, target) == before

    for path, fields in WRITES.items():
        for enctype in (FORM, TEXT):
            evil.visit()
            with evil.expect_navigation(url=f"{target}{path}"):
                evil.evaluate(SUBMIT, [target + path, enctype, {**fields, "csrfmiddlewaretoken": TOKEN}])
            if evil.answers[-1].status != 401:
                assert evil.answers[-1].status == 403
                expect(evil.locator("body")).to_contain_text(SAYS[said])
    assert whoami(page, target) == before


@pytest.mark.parametrize("host", HOSTS)
def test_the_sites_own_pages_need_no_token(page, context, site, host):
    """Login, writing and logout with fetch, and no CSRF cookie anywhere; on plain http by Origin alone."""
    target = f"http://{host}:{site.port}"
    page.goto(target + "/javascript/")
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method != "GET" else None)
    page.evaluate("document.cookie = 'csrftoken=; max-age=0; path=/'")

    def post(path, body):
        return page.evaluate(
            """async ([path, body]) => {
              const headers = {"Content-Type": "application/json", Accept: "application/json"};
              return (await fetch(path, {method: "POST", headers, body: JSON.stringify(body)})).status;
            }""",
            [path, body],
        )

    assert post("/api/auth/login/", ALICE) == 200
    context.clear_cookies(name="csrftoken")
    assert post("/api/notes/", {"text": "Mine"}) == 201
    assert post("/login/", ALICE) == 200
    assert post("/logout/", {}) == 200
    for request in sent:
        headers = request.all_headers()
        assert "x-csrftoken" not in headers
        assert headers.get("sec-fetch-site") == (None if host.endswith(".test") else "same-origin")
        assert headers["origin"] == target


def test_a_form_that_was_open_while_somebody_signed_in_in_another_tab_can_still_be_sent(page, context, site):
    """Its token is out of date, and the text that was typed arrives."""
    log_in(page, site.url)
    page.goto("/api/notes/")
    page.locator("input[name=text]").fill("Typed before")
    stale = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()

    other = context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    log_in(other, site.url)
    fresh = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "csrftoken")
    assert fresh != stale

    page.get_by_role("button", name="POST").click()
    expect(page.locator(".response-info")).to_contain_text("201 Created")
    expect(page.locator(".response-info")).to_contain_text("Typed before")


def test_a_form_whose_token_is_gone_can_be_sent(page, site):
    """Login through a form that has lost its hidden field and its cookie."""
    page.goto("/login/")
    page.evaluate(
        "document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach((field) => field.remove())"
    )
    page.context.clear_cookies()
    page.get_by_label("Username").fill(ALICE["username"])
    page.get_by_label("Password").fill(ALICE["password"])
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("banner")).to_contain_text("Signed in as alice")


def test_a_refused_form_is_answered_with_a_page_that_can_be_read(page, site, elsewhere):
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"http://localhost:{elsewhere}/")
    with page.expect_navigation(url=site.url + "/login/"):
        page.evaluate(SUBMIT, [site.url + "/login/", FORM, ADMIN])
    expect(page.get_by_role("heading")).to_have_text("This was not sent from this site")
    expect(page.get_by_text("Another site asked for this")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
