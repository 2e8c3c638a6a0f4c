"""The demo with one cookie for all hosts of a domain."""

from __future__ import annotations

from tests.demo_settings import *  # noqa: F403

SESSION_COOKIE_DOMAIN = "demo.localhost"
