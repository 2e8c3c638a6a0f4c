"""Tells an outage of the database from its refusal of a value or a statement."""

from __future__ import annotations

from django.db.utils import InterfaceError, OperationalError

from sessionkeeper.errors import StoreUnavailable

# SQLite has one error class for everything: these are missing tables and columns, and bad SQL.
_SQLITE_REFUSALS = ("no such ", "near ", "table ", "unrecognized token")
# MySQL's drivers file these under OperationalError: a missing column, a statement longer than
# max_allowed_packet, a value that is no date, text that the column's character set lacks, and bad JSON.
_MYSQL_REFUSALS = frozenset({1054, 1153, 1292, 1366, 3140, 3141})


class outages:  # noqa: N801 - a context manager, which every request enters: a generator would cost more
    """Make StoreUnavailable of connection, lock and timeout errors. Refusals pass through as they are."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Translate what ended the block.

        Raises:
            StoreUnavailable: it was an outage.
        """
        if isinstance(error, OperationalError | InterfaceError) and not _is_refusal(error):
            raise StoreUnavailable("The session store did not answer.") from error


def _is_refusal(error: Exception) -> bool:
    if len(error.args) > 1:  # (code, message): MySQL
        return error.args[0] in _MYSQL_REFUSALS
    return str(error).startswith(_SQLITE_REFUSALS)
