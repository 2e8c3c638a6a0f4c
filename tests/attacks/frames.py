"""What an error report could show of our frames: their locals, at every line, as a tracker writes them."""

from __future__ import annotations

import ast
import inspect
import sys
import threading
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.http import HttpRequest

import sessionkeeper
import sessionkeeper_client

PACKAGES = tuple(Path(each.__file__).parent for each in (sessionkeeper, sessionkeeper_client))
_DEEPEST = 8
_OF_CONTAINERS = {kind.__repr__ for kind in (dict, list, tuple, set, frozenset)}


@cache
def name_of(code):
    """Return the module and the name of a function of ours: ``core.keys:parse``; None for other code."""
    if not is_ours(code.co_filename) or not code.co_flags & inspect.CO_OPTIMIZED:
        return None
    parts = Path(code.co_filename).with_suffix("").parts
    start = max(place for place, part in enumerate(parts) if part.startswith("sessionkeeper"))
    module = ".".join(parts[start:]).removeprefix("sessionkeeper.")
    return f"{module}:{code.co_qualname}"


def is_ours(file):
    """Return whether a source file is one of our packages."""
    return Path(file).is_relative_to(PACKAGES[0]) or Path(file).is_relative_to(PACKAGES[1])


def shown(value, depth=0):
    """Return all that a serializer of locals could write: it walks containers past their ``repr``."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{bytes(value).hex()} {bytes(value).decode('latin-1')}"
    if isinstance(value, HttpRequest):
        return ""  # its path, which every report of the request has, in or out of a frame
    if isinstance(value, Mapping):
        items = [item for pair in list(value.items()) for item in pair]
    elif isinstance(value, Sequence | AbstractSet):
        items = list(value)
    else:
        try:
            return f"{value!r} {value} {value:}" if isinstance(value, BaseException) else repr(value)
        except Exception as error:  # noqa: BLE001 - trackers go on too
            return f"broken repr: {error!r}"
    own = "" if type(value).__repr__ in _OF_CONTAINERS else repr(value)
    return " ".join([own, *(shown(item, depth + 1) for item in items)])


class Watcher:
    """Remembers what the locals of our functions have shown, and where first."""

    def __init__(self, edges=()):
        self.edges = edges
        self.texts = {}
        self.functions = {}

    def trace(self, frame, event, _):
        """For ``sys.settrace``."""
        name = name_of(frame.f_code)
        if name is None:
            return None
        self.functions.setdefault(name, frame.f_code)
        self._note(frame, name)
        return lambda frame, event, argument: self._follow(frame, event, argument, name)

    def _follow(self, frame, event, argument, name):
        self._note(frame, name)
        if event == "exception":
            self._remember(str(argument[1]), name, frame.f_lineno, "an exception")
        return lambda frame, event, argument: self._follow(frame, event, argument, name)

    def _note(self, frame, name):
        if name in self.edges and hides(frame):
            return
        for variable, value in frame.f_locals.items():
            self._remember(shown(value), name, frame.f_lineno, variable)

    def _remember(self, text, name, line, variable):
        self.texts.setdefault(text, {}).setdefault((name, variable), line)

    def found(self, secrets):
        """Return where one of these was shown."""
        return sorted(
            {
                f"{name}, {variable}: {kind} (line {line})"
                for text, places in self.texts.items()
                for kind, forms in secrets.items()
                if any(form in text for form in forms)
                for (name, variable), line in places.items()
            }
        )


@contextmanager
def watched(watcher):
    """Watch all threads that begin inside, and this one."""
    before, elsewhere = sys.gettrace(), threading.gettrace()
    sys.settrace(watcher.trace)
    threading.settrace(watcher.trace)
    try:
        yield watcher
    finally:
        sys.settrace(before)
        threading.settrace(elsewhere)


@cache
def _tree(filename):
    return ast.parse(Path(filename).read_text())


@cache
def handed_over(code):
    """Return the lines of a function up to the end of its first statement, which hides its arguments."""
    for node in ast.walk(_tree(code.co_filename)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        if first == code.co_firstlineno and node.name == code.co_name:
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            return range(first, body[0].end_lineno + 1)
    return range(0)


def hides(frame):
    """Return whether a function is at its first statement, which hides what it was given."""
    return frame.f_lineno in handed_over(frame.f_code)


def forms_of(key):
    """Return what reveals a session key: its secret, the part that rotates, and that as bytes."""
    rotating = key.secret[:22]
    return {key.secret, rotating, urlsafe_b64decode(rotating + "==")[:16].hex()}
