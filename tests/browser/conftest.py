"""A real Chromium against a running demo."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.demo_server import running_demo

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP *.test 127.0.0.1",  # hosts that are not loopback to the browser
)


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium. Without one the tests are skipped with a reason, and fail where CI is set."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = "NOT TESTED in a browser: no Chromium (on Debian and Ubuntu: apt-get install chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(chromium, tmp_path_factory):
    """A demo for all tests of a module."""
    with running_demo(tmp_path_factory.mktemp("demo"), "tests.demo_settings") as site:
        yield site


@pytest.fixture
def context(chromium, site):
    """A browser profile of its own, that starts on the demo."""
    context = chromium.new_context(base_url=site.url)
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def page(context):
    """A tab in which no script may fail."""
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert not errors
