"""The JavaScript client in two tabs of Chromium, through the demo's single-page app."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import sessionkeeper
from tests.demo_server import ADMIN, ALICE, ROOT, running_demo

pytestmark = pytest.mark.browser

STATIC = Path(sessionkeeper.__file__).parent / "static/sessionkeeper"
APP = "/javascript/"
OLD_PROOF = """
from datetime import timedelta
from django.db.models import F
from sessionkeeper.models import Session
Session.objects.update(authenticated_at=F("authenticated_at") - timedelta(hours=1))
"""
UNUSED = """
from datetime import timedelta
from django.db.models import F
from sessionkeeper.models import Session
Session.objects.update(last_seen_at=F("last_seen_at") - timedelta(hours=1))
"""
SEEN = """async () => {
  const answer = await fetch("/api/auth/session/", {headers: {"X-Session-Passive": "1"}});
  return (await answer.json()).session.last_seen_at;
}"""


def sign_in(page, credentials=ALICE):
    page.get_by_label("Username").fill(credentials["username"])
    page.get_by_label("Password", exact=True).fill(credentials["password"])
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text(f"Signed in as {credentials['username']}")).to_be_visible()


@pytest.fixture
def tabs(request, page, context):
    """Two tabs that are signed in and look at the session each second, or as rarely as asked."""
    other = context.new_page()
    for tab in (page, other):
        tab.goto(f"{APP}?poll={getattr(request, 'param', 1)}")
    sign_in(page)
    expect(other.get_by_text("Signed in as alice")).to_be_visible()
    return page, other


def is_signed_out(tab):
    expect(tab.get_by_label("Username")).to_be_visible()
    expect(tab.get_by_text("Signed in as")).to_be_hidden()
    expect(tab.get_by_role("listitem")).to_have_count(0)


def end_sessions(site, user="alice"):
    assert site.manage("sessions", "revoke", "--user", user).returncode == 0


def writes(tab):
    """The statuses of the tab's POSTs of notes, as they come."""
    statuses = []
    tab.on(
        "response",
        lambda answer: (
            statuses.append(answer.status)
            if answer.request.method == "POST" and answer.url.endswith("/api/notes/")
            else None
        ),
    )
    return statuses


def test_signing_in_and_out_in_one_tab_is_seen_in_the_other(tabs):
    page, other = tabs
    other.get_by_role("button", name="Log out with fetch").click()
    is_signed_out(other)
    is_signed_out(page)
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")


def test_another_user_in_one_tab_is_seen_in_the_other(tabs):
    page, other = tabs
    page.get_by_label("New note").fill("Alice's own words")
    other.evaluate(
        """async (credentials) => {
          const { SessionClient } = await import("/static/sessionkeeper/client.js");
          await new SessionClient().login(credentials);
        }""",
        ADMIN,
    )
    for tab in (page, other):
        expect(tab.get_by_text("Signed in as admin")).to_be_visible()
    expect(page.get_by_label("New note")).to_have_value("")


def test_a_session_that_is_ended_elsewhere_is_over_in_both_tabs(site, tabs):
    end_sessions(site)
    for tab in tabs:
        is_signed_out(tab)


def test_what_was_typed_is_kept_over_a_new_sign_in_and_sent_then(site, page):
    page.goto(APP + "?poll=0")
    sign_in(page)
    statuses = writes(page)
    page.get_by_label("New note").fill("Do not lose me")
    end_sessions(site)
    page.get_by_role("button", name="Write it").click()
    expect(page.get_by_label("Username")).to_be_focused()
    expect(page.get_by_label("New note")).to_have_value("Do not lose me")
    sign_in(page)
    expect(page.get_by_role("listitem").filter(has_text="Do not lose me")).to_have_count(1)
    expect(page.get_by_label("New note")).to_have_value("")
    assert statuses == [401, 201]


def test_what_one_person_typed_is_not_sent_in_the_name_of_another(site, page):
    page.goto(APP + "?poll=0")
    sign_in(page)
    statuses = writes(page)
    page.get_by_label("New note").fill("Alice's own words")
    end_sessions(site)
    page.get_by_role("button", name="Write it").click()
    sign_in(page, ADMIN)
    expect(page.get_by_label("New note")).to_have_value("")
    expect(page.get_by_role("button", name="Write it")).to_be_enabled()
    expect(page.get_by_role("listitem").filter(has_text="Alice's own words")).to_have_count(0)
    assert statuses == [401]


def test_a_request_that_needs_reauthentication_waits_for_the_password(site, chromium, page):
    elsewhere = chromium.new_context(base_url=site.url)
    other = elsewhere.new_page()
    for tab in (other, page):
        tab.goto(APP)
        sign_in(tab)
    assert site.manage("shell", "-c", OLD_PROOF).returncode == 0
    page.get_by_role("button", name="End my other sessions").click()
    page.get_by_label("Your password once more").fill("guess")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("status")).to_contain_text("401 invalid_credentials")
    page.get_by_label("Your password once more").fill(ALICE["password"])
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("status")).to_contain_text(re.compile("ended: [1-9]"))
    assert other.evaluate("async () => (await fetch('/api/auth/session/')).status") == 401
    elsewhere.close()


def test_an_outage_is_not_a_logout(tabs):
    page, other = tabs
    refused = []

    def unavailable(route):
        refused.append(route.request.url)
        problem = '{"status": 503, "code": "store_unavailable", "detail": "Try again shortly."}'
        route.fulfill(status=503, content_type="application/problem+json", body=problem)

    page.route("**/api/**", unavailable)
    page.get_by_label("New note").fill("Later")
    page.get_by_role("button", name="Write it").click()
    expect(page.get_by_role("status")).to_contain_text("503")
    with page.expect_response("**/api/auth/session/") as polled:
        pass
    assert polled.value.status == 503
    for tab in (page, other):
        expect(tab.get_by_text("Signed in as alice")).to_be_visible()
    expect(page.get_by_label("New note")).to_have_value("Later")


def test_an_answer_that_was_overtaken_by_a_sign_out_signs_nobody_in_again(page):
    """Two clients of one page, as in two tabs: one asks who is signed in while the other signs out."""
    page.goto(APP)
    users = page.evaluate(
        """async (credentials) => {
          const { SessionClient } = await import("/static/sessionkeeper/client.js");
          const [slow, quick] = [new SessionClient(), new SessionClient()];
          const hears = (type) => new Promise((done) => slow.addEventListener(type, done, {once: true}));
          const signedIn = hears("signed-in");
          await quick.login(credentials);
          await signedIn;

          const { fetch } = window;
          let release, late;
          const held = new Promise((resolve) => { release = resolve; });
          const answered = new Promise((resolve) => {
            window.fetch = async (request) => {
              const answer = await fetch(request);
              resolve(answer.status);
              await held;
              return answer;
            };
            late = slow.session();
          });
          const status = await answered;
          window.fetch = fetch;

          const signedOut = hears("signed-out");
          await quick.logout();
          await signedOut;
          release();
          return [status, await late, slow.user, quick.user];
        }""",
        ALICE,
    )
    assert users == [200, None, None, None]
    is_signed_out(page)


def test_a_401_that_the_session_does_not_confirm_signs_nobody_out(page):
    page.goto(APP + "?poll=0")
    sign_in(page)
    page.route("**/api/notes/", lambda route: route.fulfill(status=401, json={"detail": "Another rule."}))
    page.get_by_label("New note").fill("Not here")
    page.get_by_role("button", name="Write it").click()
    expect(page.get_by_role("status")).to_contain_text("401")
    expect(page.get_by_text("Signed in as alice")).to_be_visible()
    expect(page.get_by_label("New note")).to_have_value("Not here")


def test_the_wait_for_a_sign_in_can_be_ended(page):
    page.goto(APP)
    settled = page.evaluate(
        """async () => {
          const { SessionClient } = await import("/static/sessionkeeper/client.js");
          const client = new SessionClient();
          const type = "sign-in-needed";
          const asked = () => new Promise((done) => client.addEventListener(type, done, {once: true}));
          const results = [];
          const abort = new AbortController();
          for (const [end, options] of [
            [() => client.releaseHeld(), {}],
            [() => abort.abort(), {signal: abort.signal}],
            [() => client.close(), {}],
          ]) {
            const needed = asked();
            const answer = client.json("/api/notes/", {body: {text: "x"}, hold: true, ...options});
            results.push((await needed).detail.held, client.heldRequests);
            end();
            results.push(await answer.catch((error) => error.status ?? error.name), client.heldRequests);
          }
          const { fetch } = window; // and when it is given up while the session is asked
          const early = new AbortController();
          window.fetch = (request) => {
            if (request.url.endsWith("/session/")) early.abort();
            return fetch(request);
          };
          const given = {body: {text: "x"}, hold: true, signal: early.signal};
          const gone = await client.json("/api/notes/", given).catch((error) => error.name);
          results.push(gone, client.heldRequests);
          return results;
        }"""
    )
    assert settled == [True, 1, 401, 0, True, 1, "AbortError", 0, True, 1, 401, 0, "AbortError", 0]


def test_scripts_keep_nothing_and_other_origins_are_sent_nothing(page):
    page.goto(APP)
    sign_in(page)
    assert page.evaluate(
        "[localStorage.length, sessionStorage.length, document.cookie.includes('sessionid')]"
    ) == [
        0,
        0,
        False,
    ]
    message = page.evaluate(
        """async () => {
          const { SessionClient } = await import("/static/sessionkeeper/client.js");
          const sent = new SessionClient().fetch("https://evil.test/");
          return sent.catch((error) => `${error.name} ${error.message}`);
        }"""
    )
    assert message.startswith("TypeError")
    assert "evil.test" in message


def test_no_inline_script_runs_and_none_is_needed(page):
    violations = []
    page.on(
        "console",
        lambda message: violations.append(message.text) if "Content Security" in message.text else 0,
    )
    policy = page.goto(APP).headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    sign_in(page)
    assert not violations
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))"
    )
    assert page.evaluate("typeof hacked") == "undefined"
    assert violations


def test_the_types_and_the_docs_name_what_the_module_has(page):
    page.goto(APP)
    exported = page.evaluate(
        """async () => {
          const module = await import("/static/sessionkeeper/client.js");
          const own = ({prototype}) => Object.getOwnPropertyNames(prototype);
          return [Object.keys(module), own(module.SessionClient)];
        }"""
    )
    text = (STATIC / "client.d.ts").read_text()
    assert sorted(re.findall(r"^export class (\w+)", text, re.MULTILINE)) == sorted(exported[0])
    body = text[text.index("export class SessionClient") :]
    inherited = {"addEventListener", "removeEventListener"}
    declared = set(re.findall(r"^  (?:readonly )?(\w+)[<(:]", body, re.MULTILINE)) - inherited
    assert declared == set(exported[1])
    events = set(re.findall(r'^  "([\w-]+)": CustomEvent', text, re.MULTILINE))
    emitted = set(re.findall(r'"((?:signed|idle)-\w+)"', (STATIC / "client.js").read_text()))
    assert events == emitted | {"sign-in-needed", "reauthenticate-needed"}
    page_of_docs = (ROOT / "docs/howto/javascript.md").read_text()
    for name in events | declared - {"constructor"}:
        assert re.search(rf"[`.]{name}\b", page_of_docs), name


class TestIdle:
    """Sessions that end after half a minute without a request, of which the second half is warned of."""

    @pytest.fixture(scope="class")
    @staticmethod
    def site(chromium, tmp_path_factory):
        with running_demo(tmp_path_factory.mktemp("demo"), "tests.demo_settings.idle") as site:
            yield site

    @pytest.mark.parametrize("tabs", [0], indirect=True, ids=["no polls"])
    def test_both_tabs_warn_and_one_answer_clears_both(self, tabs):
        page, other = tabs
        for tab in tabs:
            expect(tab.get_by_text("You will be signed out in")).to_be_visible(timeout=30_000)
        assert Axe().run(other).response["violations"] == []
        seen = other.evaluate(SEEN)
        other.get_by_role("button", name="Stay signed in").click()
        for tab in tabs:
            expect(tab.get_by_text("You will be signed out in")).to_be_hidden()
            expect(tab.get_by_text("Signed in as alice")).to_be_visible()
        assert page.evaluate(SEEN) > seen

    def test_polls_keep_nothing_alive_and_tell_both_tabs_of_the_end(self, site, tabs):
        page, _ = tabs
        seen = []
        for _ in range(4):
            with page.expect_response("**/api/auth/session/") as polled:
                pass
            assert polled.value.request.headers["x-session-passive"] == "1"
            seen.append(polled.value.json()["session"]["last_seen_at"])
        assert len(set(seen)) == 1
        assert site.manage("shell", "-c", UNUSED).returncode == 0
        for tab in tabs:
            is_signed_out(tab)
            expect(tab.get_by_text("You will be signed out in")).to_be_hidden()
