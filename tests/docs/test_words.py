"""What users read has one word for each thing: they sign in and out, and reauthenticate."""

from __future__ import annotations

import re

import pytest

from tests.demo_server import ROOT

TEMPLATES = ROOT / "src/sessionkeeper/templates"
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "decisions"),
    *(path for path in sorted(TEMPLATES.rglob("*")) if path.is_file()),
]
#: Code, links and template tags, which have names of their own.
CODE = r"^ *```.*?^ *```|`[^`\n]*`|\]\([^)]*\)|\{[%{].*?[%}]\}"
OTHER_WORDS = {
    r"\blog(?:ged|ging|s)?[ -](?:in|out)\b"
    r"|(?<!social )(?<!email )\blog(?:in|out)s?\b(?! CSRF| attempt| form)": "sign in, sign out",
    r"\bfresh proof|\bre-authenticat": "reauthenticate",
    r"\bstep(?:ped)?-?[ ]?up\b": "reauthentication",
}
#: The glossary says what the event of that name means.
ALLOWED = {("glossary.md", "reauthentication")}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_uses_the_words_of_the_glossary(path):
    text = re.sub(CODE, "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = {
        match[0]: word
        for pattern, word in OTHER_WORDS.items()
        if (path.name, word) not in ALLOWED
        for match in re.finditer(pattern, text, re.IGNORECASE)
    }
    assert found == {}
