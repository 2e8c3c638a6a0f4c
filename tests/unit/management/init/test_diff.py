"""The diff: one hunk for lines that belong together, with their reasons and right numbers."""

from __future__ import annotations

from pathlib import Path

from sessionkeeper.management.init import diff
from sessionkeeper.management.init.sources import Edit


def shown(text, *edits):
    """The diff of a text, without its first two lines."""
    made = [Edit(Path("a.py"), *edit) for edit in edits]
    first, second, *rest = diff.lines("a.py", text.encode(), made)
    assert (first, second) == ("--- a.py", "+++ a.py")
    return rest


def test_a_changed_line_is_removed_and_added():
    assert shown("a\nb\nc\n", (2, 3, "B", "why")) == ["@@ -2,1 +2,1 @@ why", "-b", "+B"]


def test_an_inserted_line_shows_what_follows_it():
    assert shown("a\nb\n", (2, 2, "x\n", "why")) == ["@@ -2,1 +2,2 @@ why", "+x", " b"]


def test_numbers_count_what_was_inserted_before():
    rest = shown("a\nb\nc\n", (4, 5, "C", "two"), (0, 0, "x\ny\n", "one"))
    assert rest[0] == "@@ -1,1 +1,3 @@ one"
    assert rest[4] == "@@ -3,1 +5,1 @@ two"


def test_two_edits_of_one_line_are_one_hunk_with_both_reasons():
    assert shown("a b\n", (0, 1, "A", "one"), (2, 3, "B", "two"))[0] == "@@ -1,1 +1,1 @@ one; two"


def test_lines_at_the_end_have_a_hunk_each():
    rest = shown("a\n", (2, 2, "x\n", "one"), (2, 2, "y\n", "two"))
    assert rest == ["@@ -1,0 +2,1 @@ one", "+x", "@@ -1,0 +3,1 @@ two", "+y"]
