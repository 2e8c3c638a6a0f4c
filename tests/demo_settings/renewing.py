"""The demo for tests in a browser, with renewal of the key."""

from __future__ import annotations

from tests.demo_settings import *  # noqa: F403

SESSIONKEEPER = {"ROTATE_AFTER": 3600}
