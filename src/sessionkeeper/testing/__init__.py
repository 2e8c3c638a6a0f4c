"""Helpers for the tests of your own project, with pytest or Django's ``TestCase``. Nothing is mocked."""

from __future__ import annotations

from sessionkeeper.testing.assertions import assert_session_ended, assert_signed_in
from sessionkeeper.testing.clients import SessionClient, second_device, sign_in
from sessionkeeper.testing.conditions import lock_account, store_outage
from sessionkeeper.testing.mixin import SessionTestMixin
from sessionkeeper.testing.times import (
    fresh_proof,
    stale_proof,
    travel,
    travel_past_absolute_timeout,
    travel_past_idle_timeout,
)

__all__ = [
    "SessionClient",
    "SessionTestMixin",
    "assert_session_ended",
    "assert_signed_in",
    "fresh_proof",
    "lock_account",
    "second_device",
    "sign_in",
    "stale_proof",
    "store_outage",
    "travel",
    "travel_past_absolute_timeout",
    "travel_past_idle_timeout",
]
