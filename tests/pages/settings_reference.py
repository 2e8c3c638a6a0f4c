"""Write the entries of docs/reference/settings.md from the settings that ``sessionkeeper.conf`` describes.

python -m tests.pages.settings_reference
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from datetime import timedelta
from itertools import pairwise
from typing import Any

from sessionkeeper.conf import Settings, table
from sessionkeeper.conf.near_cache import NearCache
from tools.environment import ROOT

PAGE = ROOT / "docs" / "reference" / "settings.md"
PLACE = re.compile(r"(?<=<!-- entries: )(\w+) -->\n.*?(?=<!-- end -->)", re.DOTALL)
TYPES = {"timedelta": "duration", "int": "integer", "str": "text"}
UNITS = {86_400: "day", 3600: "hour", 60: "minute", 1: "second"}


def shown(value: Any) -> str:
    """A default as the page shows it."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        size = next(size for size in UNITS if seconds % size == 0)
        return f"{seconds // size} {UNITS[size]}{'' if seconds == size else 's'}"
    if isinstance(value, bool):
        return f"`{value}`"
    return "none" if value is None else f'`"{value}"`' if isinstance(value, str) else f"{value:,}"


def texts(options: type[Any]) -> dict[str, str]:
    """The docstring below each field of a class, on one line."""
    body = ast.parse(inspect.getsource(options)).body[0].body  # type: ignore[attr-defined]  # of a class
    return {
        ast.unparse(field.target): " ".join(ast.literal_eval(below.value).split())
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr)
    }


def entries(options: type[Any]) -> str:
    """The settings that a dataclass describes, a block for each: a table would be too wide for a phone."""
    text, values, known, meanings = "", options(), table.settings_of(options), texts(options)
    for field in fields(options):
        if (about := known.get(field.name.upper())) is not None:
            annotation = str(field.type).removesuffix(" | None")
            kind = about.type or TYPES.get(annotation, annotation)
            unit = about.unit or ("seconds" if kind == "duration" else "")
            default = about.shown or shown(getattr(values, field.name))
            facts = f"{kind}{f', {unit}' if unit else ''} · default: {default}"
            text += f"### `{field.name.upper()}`\n\n*{facts}*\n\n{meanings[field.name]}\n\n"
    return text


def page() -> str:
    """The page, with the entries as they should be."""
    described = {kind.__name__: entries(kind) for kind in (Settings, NearCache)}
    return PLACE.sub(lambda found: f"{found[1]} -->\n\n{described[found[1]]}", PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(page())
