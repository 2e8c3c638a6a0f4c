"""The demo with cookies that no sibling host can set. Chromium takes them at *.localhost without HTTPS."""

from __future__ import annotations

from tests.demo_settings import *  # noqa: F403

SESSION_COOKIE_NAME, SESSION_COOKIE_SECURE = "__Host-sessionid", True
CSRF_COOKIE_NAME, CSRF_COOKIE_SECURE = "__Host-csrftoken", True
