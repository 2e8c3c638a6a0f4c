"""The lines in ``REST_FRAMEWORK``: which authenticators the views of an API have by default."""

from __future__ import annotations

import ast
from typing import Any

from django.conf import settings

from sessionkeeper.management.init.plan import Plan, home_of
from sessionkeeper.management.init.sources import Edit, NotSimple, Sequences, Source, values

SESSION = "sessionkeeper.api.SessionAuthentication"
TOKEN = "sessionkeeper.api.TokenAuthentication"  # noqa: S105 - the name of a class
THEIRS = "rest_framework.authentication.SessionAuthentication"
_KEY = "DEFAULT_AUTHENTICATION_CLASSES"
_REASON = "views accept sessions, and tokens of programs; without either they answer 401"


def plan(files: list[Source], to: Plan) -> None:
    """Add what the API needs."""
    raw: Any = getattr(settings, "REST_FRAMEWORK", None)
    listed = _names(raw.get(_KEY)) if isinstance(raw, dict) else []
    if SESSION in listed and TOKEN in listed:
        return
    try:
        if raw is None:
            to.edits.append(home_of(files).append(_new(home_of(files).quote), _REASON))
        else:
            source, node = _written(files)
            to.edits += _edits(source, node)
    except NotSimple as error:
        names = f"{SESSION!r} and {TOKEN!r}"
        to.by_hand.append(f"Put {names} first into REST_FRAMEWORK[{_KEY!r}] ({error}).")


def _names(given: Any) -> list[str]:
    """Return the dotted names of authenticators, which may be given as classes."""
    entries = given if isinstance(given, list | tuple) else ()
    return [
        entry if isinstance(entry, str) else f"{entry.__module__}.{entry.__qualname__}" for entry in entries
    ]


def _new(mark: str) -> str:
    """Return the whole setting."""
    classes = "".join(f"        {mark}{name}{mark},\n" for name in (SESSION, TOKEN))
    return f"REST_FRAMEWORK = {{\n    {mark}{_KEY}{mark}: [\n{classes}    ],\n}}\n"


def _written(files: list[Source]) -> tuple[Source, ast.Dict]:
    """Return the dictionary as it is written.

    Raises:
        NotSimple: it is not one dictionary that is written out.
    """
    found = [(source, node) for source in files for node in source.assignments("REST_FRAMEWORK")]
    if len(found) == 1 and isinstance(found[0][1], ast.Dict) and None not in found[0][1].keys:
        return found[0][0], found[0][1]
    raise NotSimple("it is not one dictionary that is written out")


def _edits(source: Source, node: ast.Dict) -> list[Edit]:
    """Return the changes in the dictionary.

    Raises:
        NotSimple: the list of authenticators is not written out.
    """
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == _KEY:
            if not isinstance(value, Sequences) or None in values(value):
                raise NotSimple("the authenticators are not all written out as strings")
            return _in_list(source, value)
    mark = source.quote
    classes = f"{mark}{_KEY}{mark}: [{mark}{SESSION}{mark}, {mark}{TOKEN}{mark}]"
    return [source.insert_item(node, classes, _REASON)]


def _in_list(source: Source, node: Sequences) -> list[Edit]:
    """Return the changes in the list: ours for the framework's, and the tokens before those of others."""
    listed = values(node)
    if THEIRS not in listed:
        missing = [name for name in (SESSION, TOKEN) if name not in listed]
        place = listed.index(SESSION) + 1 if SESSION in listed else 0
        return [source.insert(node, place, missing, _REASON)]
    place = listed.index(THEIRS)
    edits = [source.replace(node.elts[place], SESSION, "401 instead of 403 where nobody is signed in")]
    if TOKEN not in listed:
        # Before those of others: some of them refuse every bearer token that is not theirs.
        before = 0 if place else 1
        edits.append(source.insert(node, before, [TOKEN], "views accept the tokens of programs"))
    return edits
