"""What a failure is in one sentence, for who runs a command, and what to do where that is known."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import utils
from django.utils.connection import ConnectionDoesNotExist

from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.core.text import printable

_LONGEST = 300
_OUTAGE = "The session store did not answer"
_TEXTS: tuple[tuple[Any, str], ...] = (
    ((utils.InterfaceError, utils.OperationalError), "The database did not answer: {}."),
    (utils.Error, "The database refused: {}."),
    ((ImproperlyConfigured, ConnectionDoesNotExist), "The settings are wrong: {}."),
    (BrokenPipeError, "Nobody reads the output any more, so the command stopped where it was."),
    (UnicodeError, "An argument or a line holds what is no text in this encoding."),
    (KeyboardInterrupt, "Interrupted. What was done until now stays done."),
)
# A table or column that is not there: PostgreSQL's SQLSTATEs (and a schema), MySQL's codes, SQLite's words.
_MISSING_STATES = frozenset({"42P01", "42703", "3F000"})
_MISSING_CODES = frozenset({1054, 1146})
_MISSING_WORDS = ("no such table", "no such column", "has no column named")


def sentence(error: BaseException) -> str | None:
    """Return what happened; None for what is a fault of the program, whose traceback is wanted."""
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
    told = str(error)
    return (
        state in _MISSING_STATES or code in _MISSING_CODES or any(words in told for words in _MISSING_WORDS)
    )


def _line(error: object) -> str:
    """Return what an error says as one line: drivers write several, with a code before or the SQL after."""
    args: tuple[Any, ...] = getattr(error, "args", ())
    told = args[1] if len(args) > 1 and isinstance(args[0], int) else error
    text = " ".join(str(told).partition("\nLINE ")[0].split()) or type(error).__name__
    return printable(text[:_LONGEST], "?").rstrip(". ")
