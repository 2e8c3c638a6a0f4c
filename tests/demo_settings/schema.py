"""The demo for tests that call it in all the ways there are: without the limits that would soon stop them."""

from __future__ import annotations

from tests.demo_settings import *  # noqa: F403

# This machine is taken for a proxy that does not say who connected to it, so no resets are counted for it.
SESSIONKEEPER = {"LOCKOUT": False, "MAX_SESSIONS": 50, "TRUSTED_PROXIES": ["127.0.0.1"]}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
