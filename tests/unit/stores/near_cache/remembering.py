"""What a near cache remembers, and what a look at it costs."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys


def cost(function, *arguments):
    """Return what a call gives and how many statements it takes."""
    with CaptureQueriesContext(connection) as captured:
        result = function(*arguments)
    return result, [query["sql"].split()[0] for query in captured if "SAVEPOINT" not in query["sql"]]


def remembered(sides, key, side=None):
    """Whether a side would answer without asking."""
    return (side or sides.here).recall(keys.parse(key).id) is not None
