"""Writes ``docs/reference/python.md`` from the docstrings of public names."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import django
from django.dispatch import Signal

from tools.environment import ROOT

PAGE = ROOT / "docs/reference/python.md"
#: The public modules. Each names what it exports in ``__all__``.
FACES = (
    "engine middleware csrf backends decorators flows sessions signals errors api pages admin models stores "
    "testing"
)
INTRODUCTION = """# Python

What your own code may import. Everything else is private and changes without notice.

All of it is typed: annotate a request as a subclass of `HttpRequest` with `session: SessionStore`.
`python -m tests.pages.reference` writes this page from the docstrings.
"""


def signature(function: Any) -> str:
    """Return the signature of a function as it stands in the source."""
    source = re.sub(r" *# noqa.*", "", inspect.getsource(inspect.unwrap(function)))
    return source[source.index("def ") + len("def ") : source.index(':\n    """')]


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown: code, and ``Raises:``, ``Args:`` and ``Attributes:`` as lists."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring).replace("``", "`")
    text = re.sub(r"^(Raises|Args|Attributes):\n", r"\1:\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"\n {8,}", " ", text)
    names = r"\n {4}([\w, ]+?): "
    return re.sub(names, lambda found: f"\n- `{found[1].replace(', ', '`, `')}`: ", text)


def bases(kind: type) -> Iterator[str]:
    """Yield the public bases of a class."""
    for base in kind.__bases__:
        if base.__name__ in import_module("sessionkeeper.errors").__all__:
            yield base.__name__
        elif base.__module__.startswith("sessionkeeper."):
            yield from bases(base)
        elif base not in {object, tuple}:
            yield f"{base.__module__}.{base.__name__}".removeprefix("builtins.")


def described(name: str, value: Any) -> Iterator[str]:
    """Yield the paragraphs about one public name."""
    yield f"### `{name}`"
    docstring = inspect.getdoc(value) or ""
    if not inspect.isclass(value):
        yield f"```python\n{signature(value)}\n```"
    elif named := list(bases(value)):
        yield f"A subclass of `{'`, `'.join(named)}`."
    yield markdown(docstring)
    if inspect.isclass(value):
        if issubclass(value, Enum):
            yield "Values: " + ", ".join(f"`{one.value}`" for one in value) + "."
        elif hasattr(value, "_fields") and "Attributes:" not in docstring:
            yield "Fields: " + ", ".join(f"`{one}`" for one in value._fields) + "."
        for member in re.findall(r":(?:attr|meth):`(\w+)`", docstring):
            if isinstance(about := getattr(value, member, None), property | FunctionType):
                yield f"#### `{name}.{member}`\n\n{markdown(inspect.getdoc(about) or '')}"


def face(module: ModuleType) -> Iterator[str]:
    """Yield the paragraphs about one public module."""
    yield f"## `{module.__name__}`\n\n{markdown(inspect.getdoc(module) or '')}"
    exported = {name: getattr(module, name) for name in module.__all__}
    signals = [f"`{name}`" for name, value in exported.items() if isinstance(value, Signal)]
    if signals:
        yield f"Signals: {', '.join(signals)}. [When each is sent](audit.md#events)."
    for name, value in exported.items():
        if not isinstance(value, Signal):
            yield from described(name, value)


def page() -> str:
    """Return the whole page."""
    modules = [import_module(f"sessionkeeper.{name}") for name in FACES.split()]
    return "\n\n".join([INTRODUCTION.rstrip(), *(part for module in modules for part in face(module))]) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(page())
