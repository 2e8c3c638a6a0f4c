"""The glossary's words are those of the code."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

from django.apps import apps

from sessionkeeper.audit.events import Kind
from tests.demo_server import ROOT
from tests.pages import reference

ROWS = re.findall(r"^\| (\*\*.+?) \| (.+) \| (.*?)\|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
API = (ROOT / "docs/reference/api.md").read_text()


def public_names():
    """Yield the public names, and those of their parameters and fields."""
    for module in map(import_module, (f"sessionkeeper.{face}" for face in reference.FACES.split())):
        for name in module.__all__:
            value = getattr(module, name)
            yield name
            if inspect.isfunction(value):
                yield from inspect.signature(value).parameters
            yield from getattr(value, "_fields", ())


def names():
    """Return all names that users of the package meet."""
    return {
        *public_names(),
        *(
            field.name
            for model in apps.get_app_config("sessionkeeper").get_models()
            for field in model._meta.fields
        ),
        *(kind.value for kind in Kind),
        *re.findall(r"^### `([A-Z_]+)`$", SETTINGS, re.MULTILINE),
        *re.findall(r"^\| `([a-z_]+)` \| \d{3} \|", API, re.MULTILINE),
    }


def test_each_name_of_the_glossary_is_one_of_the_code():
    stated = {name for _, _, cell in ROWS for name in re.findall(r"`(\w+)`", cell)}
    assert stated - names() == set()


def test_each_word_has_one_row():
    words = [word for cell, _, _ in ROWS for word in re.findall(r"\*\*(.+?)\*\*", cell)]
    assert len(words) == len(set(words))


def test_each_public_class_is_in_the_reference_or_here():
    told = set(re.findall(r"^### `(\w+)`", reference.PAGE.read_text(), re.MULTILINE))
    told |= {name for _, _, cell in ROWS for name in re.findall(r"`(\w+)`", cell)}
    assert {name for name in public_names() if name[0].isupper()} <= told


def test_renewals_and_rotations_are_told_apart():
    of = {name: cell for words, _, cell in ROWS for name in re.findall(r"\*\*(rotation|renewal)\*\*", words)}
    assert "renew" not in of["rotation"]
    assert "rotated" not in of["renewal"]
