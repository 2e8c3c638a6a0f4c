"""The lines in ``REST_FRAMEWORK``, whatever stands there."""

from __future__ import annotations

import pytest
from django.test import override_settings

from sessionkeeper.management.init import rest_framework_lines
from sessionkeeper.management.init.plan import Plan
from sessionkeeper.management.init.sources import Source, apply

KEY = "DEFAULT_AUTHENTICATION_CLASSES"
OURS = "'sessionkeeper.api.SessionAuthentication', 'sessionkeeper.api.TokenAuthentication'"
THEIRS = "'rest_framework.authentication.SessionAuthentication'"
JWT = "'rest_framework_simplejwt.authentication.JWTAuthentication'"


def after(tmp_path, text):
    """The settings and what is left to a person, after a plan was made for them."""
    path, scope, plan = tmp_path / "settings.py", {}, Plan()
    path.write_text(text)
    exec(text, scope)
    with override_settings(REST_FRAMEWORK=scope["REST_FRAMEWORK"]):
        rest_framework_lines.plan([Source(path)], plan)
    return apply(path.read_bytes(), plan.edits).decode(), plan.by_hand


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("{}", f"{{'{KEY}': [{OURS}]}}"),
        ("{'PAGE_SIZE': 5}", f"{{'{KEY}': [{OURS}], 'PAGE_SIZE': 5}}"),
        (f"{{'{KEY}': []}}", f"{{'{KEY}': [{OURS}]}}"),
        (f"{{'{KEY}': [{THEIRS}]}}", f"{{'{KEY}': [{OURS}]}}"),
        (f"{{'{KEY}': [{JWT}]}}", f"{{'{KEY}': [{OURS}, {JWT}]}}"),
        (f"{{'{KEY}': ({THEIRS}, {JWT})}}", f"{{'{KEY}': ({OURS}, {JWT})}}"),
        (f"{{'{KEY}': [{OURS}]}}", f"{{'{KEY}': [{OURS}]}}"),
        (
            f"{{'A': {{'b': ['c']}}, '{KEY}': ['sessionkeeper.api.SessionAuthentication']}}",
            f"{{'A': {{'b': ['c']}}, '{KEY}': [{OURS}]}}",
        ),
    ],
)
def test_both_authenticators_are_there_afterwards(tmp_path, before, expected):
    assert after(tmp_path, f"REST_FRAMEWORK = {before}\n") == (f"REST_FRAMEWORK = {expected}\n", [])


def test_tokens_come_before_a_scheme_that_refuses_every_other_token(tmp_path):
    text, _ = after(tmp_path, f"REST_FRAMEWORK = {{'{KEY}': [{JWT}, {THEIRS}]}}\n")
    assert text.index("TokenAuthentication") < text.index("JWTAuthentication")


@pytest.mark.parametrize("value", ["dict()", "{**{}}", f"{{'{KEY}': [str]}}"])
def test_what_is_not_written_out_is_left_to_a_person(tmp_path, value):
    text, by_hand = after(tmp_path, f"REST_FRAMEWORK = {value}\n")
    assert text == f"REST_FRAMEWORK = {value}\n"
    assert "first into REST_FRAMEWORK" in by_hand[0]


def test_a_project_without_the_framework_gets_no_lines_for_it(tree):
    code = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "rest_framework" else find(name, *rest)
from sessionkeeper import __main__
sys.argv[1:] = ["init"]
__main__.main()
"""
    text = tree.run("-c", code)
    assert "rest_framework" not in text
    assert "sessionkeeper.api" not in text
    assert "sessionkeeper.pages.urls" in text
