"""Where a setting is written, and what becomes of a change that cannot be made."""

from __future__ import annotations

import pytest

from sessionkeeper.management.init.plan import Plan, set_line
from sessionkeeper.management.init.sources import NotSimple, Source, apply


def source(path, text):
    """A file of some text."""
    path.write_text(text)
    return Source(path)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("A = 'a'\n", "A = 'a'\n\nLOGIN_URL = '/x/'\n"),
        ('LOGIN_URL = "/old/"\n', 'LOGIN_URL = "/x/"\n'),
        ("LOGIN_URL: str = '/old/'\n", "LOGIN_URL: str = '/x/'\n"),
    ],
)
def test_a_setting_is_written_where_it_stands_or_at_the_end(tmp_path, text, after):
    one = source(tmp_path / "a.py", text)
    assert apply(one.data, [set_line([one], "LOGIN_URL", "/x/", "why")]).decode() == after


@pytest.mark.parametrize("text", ["A = f()\n", "A = 'a'\nif DEBUG:\n    A = 'b'\n"])
def test_a_setting_that_is_no_single_string_is_not_simple(tmp_path, text):
    with pytest.raises(NotSimple, match="not one assignment of a string"):
        set_line([source(tmp_path / "a.py", text)], "A", "b", "why")


def test_lines_go_to_the_file_that_has_the_applications(tmp_path):
    one, base = source(tmp_path / "dev.py", "X = 1\n"), source(tmp_path / "base.py", "INSTALLED_APPS = []\n")
    assert set_line([one, base], "A", "b", "why").path == base.path


def test_what_cannot_be_edited_becomes_an_instruction(tmp_path):
    plan = Plan()

    def make():
        raise NotSimple("it is a riddle")

    plan.add("Set A = 1", make)
    assert (plan.edits, plan.by_hand) == ([], ["Set A = 1 (it is a riddle)."])
