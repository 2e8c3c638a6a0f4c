"""Renewal of the key in Chromium: tabs and bursts stay signed in, an old cookie ends the session."""

from __future__ import annotations

import pytest

from tests.browser.test_demo_in_chromium import log_in, session_cookie
from tests.demo_server import running_demo

pytestmark = pytest.mark.browser

AGE = """
from datetime import timedelta
from django.db.models import F
from sessionkeeper.models import Session
hour = timedelta(hours=1)
Session.objects.update(authenticated_at=F("authenticated_at") - hour, previous_at=F("previous_at") - hour)
"""
BURST = """async () => {
    const lost = new AbortController();
    fetch("/dashboard/", {signal: lost.signal}).catch(() => null);
    lost.abort();
    const answers = await Promise.all(Array.from({length: 10}, () => fetch("/dashboard/")));
    return answers.map(answer => answer.status);
}"""


@pytest.fixture(scope="module")
def site(chromium, tmp_path_factory):
    """A demo that renews keys."""
    with running_demo(tmp_path_factory.mktemp("demo"), "tests.demo_settings.renewing") as site:
        yield site


@pytest.mark.rule("R42")
def test_two_tabs_in_bursts_stay_signed_in_and_an_old_cookie_ends_the_session(site, chromium, context, page):
    log_in(page)
    tab = context.new_page()
    tab.goto("/")
    keys = [session_cookie(context)["value"]]
    for _ in range(3):
        assert site.manage("shell", "-c", AGE).returncode == 0
        for one in (page, tab, page):
            assert set(one.evaluate(BURST)) == {200}
        keys.append(session_cookie(context)["value"])
    assert len(set(keys)) == len(keys)
    assert {(key[:11], key[-7:]) for key in keys} == {(keys[0][:11], keys[0][-7:])}

    thief = chromium.new_context(base_url=site.url)
    thief.add_cookies([{"name": "sessionid", "value": keys[1], "url": site.url}])
    assert thief.new_page().goto("/dashboard/").status == 401
    thief.close()
    assert page.goto("/dashboard/").status == 401
    assert session_cookie(context) is None
