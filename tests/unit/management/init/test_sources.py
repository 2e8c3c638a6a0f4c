"""Edits of Python files: each in one place, in the style of the file."""

from __future__ import annotations

import pytest

from sessionkeeper.management.init.sources import NotSimple, Source, apply, only_list


@pytest.fixture
def source(tmp_path):
    """A function that makes a file of some text."""

    def make(text):
        path = tmp_path / "some.py"
        path.write_text(text)
        return Source(path)

    return make


def inserted(source, place, *values):
    """The file after strings were inserted into its only list."""
    node = next(source.sequences())
    return apply(source.data, [source.insert(node, place, values, "why")]).decode()


@pytest.mark.parametrize(
    ("text", "place", "after"),
    [
        ("A = []", 0, "A = ['x', 'y']"),
        ("A = ['a']", 0, "A = ['x', 'y', 'a']"),
        ("A = ('a', 'b')", 1, "A = ('a', 'x', 'y', 'b')"),
        ("A = ['a']", 1, "A = ['a', 'x', 'y']"),
        ('A = ["a",]', 1, 'A = ["a", "x", "y",]'),
        ("A = [\n  'a',\n]", 0, "A = [\n  'x',\n  'y',\n  'a',\n]"),
        ("A = [\n\t'a',\n]", 1, "A = [\n\t'a',\n\t'x',\n\t'y',\n]"),
        ("A = ['é', 'b']", 1, "A = ['é', 'x', 'y', 'b']"),
    ],
)
def test_strings_go_into_a_list_in_its_style(source, text, place, after):
    assert inserted(source(text), place, "x", "y") == after


def test_a_string_keeps_its_quotation_marks(source):
    one = source('é = 1\nA = ["a"]')
    node = next(one.sequences())
    assert apply(one.data, [one.replace(node.elts[0], "b", "why")]).decode() == 'é = 1\nA = ["b"]'


def test_lines_at_the_end_keep_their_order_after_one_blank_line(source):
    one = source("A = 1")
    edits = [one.append("B = 2\n", "why"), one.append("C = 3\n", "why")]
    assert apply(one.data, edits) == b"A = 1\n\nB = 2\nC = 3\n"


def test_a_string_in_two_lists_is_not_simple(source):
    one = source("A = ['a']\nB = ['a']")
    with pytest.raises(NotSimple, match="in 2 lists"):
        only_list([one], "a")
    with pytest.raises(NotSimple, match="in no list"):
        only_list([one], "b")


@pytest.mark.parametrize("data", [b"A = [", b"A = '\xff'", b"A = '\0'"])
def test_what_is_no_python_is_not_simple(tmp_path, data):
    path = tmp_path / "some.py"
    path.write_bytes(data)
    with pytest.raises(NotSimple, match="cannot be read"):
        Source(path)


def test_what_is_assigned_is_found_wherever_it_stands(source):
    one = source("A = 1\nif A:\n    A += 2\nA: int = 3\nB = A")
    assert [one.code(node) for node in one.assignments("A")] == ["1", "3", "2"]


def test_an_import_goes_after_the_last(source):
    one = source('"""Doc."""\nimport os\nA = 1\n')
    assert (
        apply(one.data, [one.insert_import("import sys", "why")])
        == b'"""Doc."""\nimport os\nimport sys\nA = 1\n'
    )
    with pytest.raises(NotSimple, match="imports nothing"):
        source("A = 1").insert_import("import sys", "why")
