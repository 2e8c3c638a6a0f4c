"""Every text that users read goes through gettext: found in the source, so that no path is forgotten."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sessionkeeper

ROOT = Path(sessionkeeper.__file__).parent
#: What operators and developers read, in English as Django's own: commands, checks, logs, errors of code.
FOR_OPERATORS = {"management", "openapi", "checks", "migrations", "conf", "client"}
MODULES = [
    path for path in sorted(ROOT.rglob("*.py")) if not FOR_OPERATORS & set(path.relative_to(ROOT).parts)
]
TEMPLATES = [path for path in sorted(ROOT.rglob("templates/**/*")) if path.is_file()]

#: Calls whose texts are shown to users, by the name of what is called.
SHOWN = {
    "Problem",
    "ValidationError",
    "PermissionDenied",
    "NotFound",
    "AuthenticationFailed",
    "NotAuthenticated",
    "ParseError",
    "Throttled",
    "message_user",
    "success",
    "action",
    "display",
}
#: Keywords and class attributes whose texts are shown to users.
SHOWN_NAMES = {
    "help_text",
    "label",
    "verbose_name",
    "verbose_name_plural",
    "short_description",
    "description",
    "default_detail",
    "empty_value_display",
    "title",
    "detail",
}
BLOCKS = re.compile(r"{%\s*(blocktranslate|comment)\b.*?{%\s*end\1\s*%}", re.DOTALL)
TAGS = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<style.*?</style>|<code>.*?</code>", re.DOTALL)
READ_ATTRIBUTES = re.compile(r'\b(?:aria-label|title|alt|placeholder)="([^"]*)"')
MARKUP = re.compile(r"<[^>]*>|&\w+;")  # after the tags, which may hold a ">"
NOT_WORDS = {"UTC", "uid", "token", "wide"}  # of a time, members of the API, a class of the stylesheet
WORD = re.compile(r"[^\W\d_]{2,}")


def is_prose(node: ast.AST) -> bool:
    """Whether a literal reads like words for people: a sentence or more than one word."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) and WORD.search(part.value) for part in node.values)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip()


def bare(node: ast.AST) -> list[ast.AST]:
    """Return the literals in an expression that no call stands around, as a call of gettext would."""
    if is_prose(node):
        return [node]
    if isinstance(node, ast.Call):
        return []
    return [found for child in ast.iter_child_nodes(node) for found in bare(child)]


def untranslated(tree: ast.AST) -> list[str]:
    """Return where texts for users do not go through gettext."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            shown = node.args if name in SHOWN else []
            shown = [*shown, *(word.value for word in node.keywords if word.arg in SHOWN_NAMES)]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {getattr(target, "attr", getattr(target, "id", "")) for target in targets}
            shown = [node.value] if names & SHOWN_NAMES else []
        else:
            continue
        found += [one for value in shown for one in bare(value)]
    return [f"line {node.lineno}: {ast.unparse(node)}" for node in found]


def words(template: str) -> list[str]:
    """Return the words of a template that no tag translates."""
    text = TAGS.sub(" ", BLOCKS.sub(" ", template))
    text = " ".join([*READ_ATTRIBUTES.findall(text), MARKUP.sub(" ", text)])
    return [word for word in WORD.findall(text) if word not in NOT_WORDS]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_shows_users_a_text_without_gettext(path):
    assert untranslated(ast.parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_has_words_that_are_not_translated(path):
    assert words(path.read_text("utf-8")) == []


def test_a_text_without_gettext_is_found():
    source = """
raise ValidationError({"password": ["This is not it."]})
Problem("code", 400, _("Fine"), f"At most {limit} bytes")
class Form:
    name = CharField(label="Your name", max_length=3)
    short_description = "Signed in"
    detail: str = _("Fine, too")
raise ValidationError(_("All right."))
"""
    assert untranslated(ast.parse(source)) == [
        "line 2: 'This is not it.'",
        "line 3: f'At most {limit} bytes'",
        "line 6: 'Signed in'",
        "line 5: 'Your name'",
    ]
    assert words('<p title="A tip">{% translate "Fine" %} Sign in</p>') == ["tip", "Sign", "in"]
