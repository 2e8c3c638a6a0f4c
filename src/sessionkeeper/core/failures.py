"""Describes failures in one sentence for the user of a command, with the fix if it is known."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import utils
from django.utils.connection import ConnectionDoesNotExist

from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.records import printable

_LONGEST = 300
_OUTAGE = "The session store did not answer"
_TEXTS: tuple[tuple[Any, str], ...] = (
    ((utils.InterfaceError, utils.OperationalError), "The database did not answer: {}."),
    (utils.Error, "The database refused: {}."),
    ((ImproperlyConfigured, ConnectionDoesNotExist), "The settings are wrong: {}."),
    (BrokenPipeError, "The output was closed, so the command stopped."),
    (UnicodeError, "An argument or a line is not valid text in this encoding."),
    (KeyboardInterrupt, "Interrupted. What was done before is kept."),
)
# A missing table or column: PostgreSQL's SQLSTATEs (also of a schema), MySQL's codes, SQLite's words.
_MISSING_STATES = frozenset({"42P01", "42703", "3F000"})
_MISSING_CODES = frozenset({1054, 1146})
_MISSING_WORDS = ("no such table", "no such column", "has no column named")


def sentence(error: BaseException) -> str | None:
    """Return what happened; None for an unknown error, whose traceback is needed."""
    if isinstance(error, StoreUnavailable):
        about = _line(error.__cause__ or error)
        return f"{_OUTAGE}." if about.startswith(_OUTAGE) else f"{_OUTAGE}: {about}."
    if isinstance(error, utils.Error) and _is_missing(error):
        return f"The database lacks a table or a column; run `manage.py migrate`: {_line(error)}."
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        about = "" if error.filename is None else f"{error.filename!r}: "
        return f"Reading or writing failed: {about}{_line(error.strerror or error)}."
    return next((text.format(_line(error)) for kinds, text in _TEXTS if isinstance(error, kinds)), None)


def _is_missing(error: utils.Error) -> bool:
    cause: Any = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    code = error.args[0] if len(error.args) > 1 else None
    return (
        state in _MISSING_STATES
        or code in _MISSING_CODES
        or any(words in str(error) for words in _MISSING_WORDS)
    )


def _line(error: object) -> str:
    """Return the text of an error on one line, without the code or the SQL that drivers add."""
    args: tuple[Any, ...] = getattr(error, "args", ())
    said = args[1] if len(args) > 1 and isinstance(args[0], int) else error
    text = " ".join(str(said).partition("\nLINE ")[0].split()) or type(error).__name__
    return printable(text[:_LONGEST], "?").rstrip(". ")
