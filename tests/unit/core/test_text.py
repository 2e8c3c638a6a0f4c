"""Text that is stored, shown or sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from sessionkeeper.core import text


@pytest.mark.parametrize(
    ("value", "stored"),
    [("", True), ("plain", True), ("größe 🐇", True), ("a\0b", False), ("ü\0", False), ("\udcff", False)],
)
def test_nul_and_lone_surrogates_are_not_storable(value, stored):
    assert text.is_storable(value) == stored


def test_what_steers_a_terminal_is_replaced():
    assert text.printable("a\x1b[2Jb\nc\u202e") == "a [2Jb c "
    assert text.printable("a\x07b", "?") == "a?b"


def test_times_are_in_utc_with_a_z():
    moment = datetime(2026, 1, 31, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    assert text.rfc3339(moment) == text.rfc3339(moment.astimezone(UTC)) == "2026-01-31T12:00:00Z"
    assert text.rfc3339(None) is None


@pytest.mark.parametrize(("pk", "shown"), [(7, 7), (None, None), (UUID(int=1), str(UUID(int=1))), ("x", "x")])
def test_a_key_that_is_no_number_is_text(pk, shown):
    assert text.json_key(pk) == shown
