"""The demo for tests in a browser, with sessions that end soon when nobody uses them."""

from __future__ import annotations

from tests.demo_settings import *  # noqa: F403

SESSIONKEEPER = {"IDLE_TIMEOUT": 30}
