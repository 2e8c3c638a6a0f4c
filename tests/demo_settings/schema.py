"""The demo for tests that call it in all the ways there are: without the limits that would soon stop them."""

from __future__ import annotations

from tests.demo_settings import *  # noqa: F403
from tests.demo_settings import REST_FRAMEWORK

SESSIONKEEPER = {"LOCKOUT": False, "MAX_SESSIONS": 50}
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"sessionkeeper-reset": None}}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
