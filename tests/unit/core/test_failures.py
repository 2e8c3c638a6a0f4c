"""What failed, in one sentence: the shapes that drivers and the system give their errors."""

from __future__ import annotations

import errno

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import utils

from sessionkeeper.core.errors import StoreUnavailable, StoreUnreachable
from sessionkeeper.core.failures import sentence


class OfPostgreSQL(Exception):
    """What psycopg raises."""

    sqlstate = "42P01"


def caused(error, cause):
    """An error with the one that it was made of."""
    error.__cause__ = cause
    return error


REFUSED = 'connection to server at "127.0.0.1", port 1 failed: Connection refused\n\tIs the server running?'
ONE_LINE = 'connection to server at "127.0.0.1", port 1 failed: Connection refused Is the server running?'
MISSING = "The database lacks a table or a column; run `manage.py migrate`:"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (utils.OperationalError(REFUSED), f"The database did not answer: {ONE_LINE}."),
        (
            utils.InterfaceError("connection already closed"),
            "The database did not answer: connection already closed.",
        ),
        (
            caused(utils.ProgrammingError('relation "x" is missing\nLINE 1: SELECT a\n   ^'), OfPostgreSQL()),
            f'{MISSING} relation "x" is missing.',
        ),
        (utils.ProgrammingError(1146, "Table 'x' doesn't exist"), f"{MISSING} Table 'x' doesn't exist."),
        (utils.OperationalError("no such table: x"), f"{MISSING} no such table: x."),
        (
            utils.OperationalError("table x has no column named y"),
            f"{MISSING} table x has no column named y.",
        ),
        (
            utils.ProgrammingError("permission denied for table x"),
            "The database refused: permission denied for table x.",
        ),
        (StoreUnavailable("The session store did not answer."), "The session store did not answer."),
        (StoreUnavailable("Too many writers."), "The session store did not answer: Too many writers."),
        (
            caused(StoreUnreachable("x"), utils.OperationalError(2003, "Can't connect")),
            "The session store did not answer: Can't connect.",
        ),
        (caused(StoreUnavailable("x"), TimeoutError()), "The session store did not answer: TimeoutError."),
        (ImproperlyConfigured("No driver."), "The settings are wrong: No driver."),
        (BrokenPipeError(), "The output was closed, so the command stopped."),
        (
            OSError(errno.ENOSPC, "No space left on device", "a\nb"),
            "Reading or writing failed: 'a\\nb': No space left on device.",
        ),
        (OSError("nothing there\x1b[2J"), "Reading or writing failed: nothing there?[2J."),
        (UnicodeError("x"), "An argument or a line is not valid text in this encoding."),
        (ZeroDivisionError("x"), None),
    ],
)
def test_a_failure_is_one_sentence(error, text):
    assert sentence(error) == text
