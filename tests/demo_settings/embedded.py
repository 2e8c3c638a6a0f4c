"""The demo as a site that others embed: cookies of the site around it, and no refusal of frames."""

from __future__ import annotations

from tests.demo_settings import *  # noqa: F403

MIDDLEWARE = [name for name in MIDDLEWARE if "XFrameOptions" not in name]  # noqa: F405
SESSIONKEEPER = {**SESSIONKEEPER, "COOKIE_PARTITIONED": True}  # noqa: F405
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
