"""Text that is stored or shown."""

from __future__ import annotations

import pytest

from sessionkeeper.core import records


@pytest.mark.parametrize(
    ("value", "stored"),
    [("", True), ("plain", True), ("größe 🐇", True), ("a\0b", False), ("ü\0", False), ("\udcff", False)],
)
def test_nul_and_lone_surrogates_are_not_storable(value, stored):
    assert records.is_storable(value) == stored


def test_what_steers_a_terminal_is_replaced():
    assert records.printable("a\x1b[2Jb\nc\u202e") == "a [2Jb c "
    assert records.printable("a\x07b", "?") == "a?b"
