"""Deletes rows in one statement, which checks its conditions itself and returns what it deleted.

No signals are sent: audit applications that listen to all models would copy hashes and data, or fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connections, transaction
from django.db.models import QuerySet

from sessionkeeper.stores.database import shortcut

#: The values of a deleted row's columns.
Row = Sequence[Any]
_AT_ONCE = 500


class Statement(NamedTuple):
    """A statement with RETURNING, and how to convert its rows; empty where no row can match."""

    sql: str = ""
    params: Sequence[Any] = ()
    width: int = 0
    converters: Sequence[tuple[int, Any, Any]] = ()

    def run(self, alias: str) -> list[Row]:
        """Return the values of each row that was deleted."""
        if not self.sql:
            return []
        connection = connections[alias]
        marked = transaction.atomic(alias, savepoint=False) if connection.in_atomic_block else nullcontext()
        with marked, connection.cursor() as cursor:
            cursor.execute(self.sql, self.params)
            rows = [list(row[: self.width]) for row in cursor.fetchall()]  # a channel may add a column
        for index, function, expression in self.converters:
            for row in rows:
                row[index] = function(row[index], expression, connection)
        return rows  # type: ignore[return-value]  # lists are sequences


def delete(rows: QuerySet[Any]) -> int:
    """Delete the rows of a query, without related rows, and return how many.

    With receivers of ``post_delete``, ``QuerySet.delete`` reads the rows and then deletes by key alone, so a
    session that was used or renewed in between would be lost.
    """
    return shortcut.take(_in_one_statement, _under_lock, rows)


def delete_returning(rows: QuerySet[Any], returning: Sequence[str]) -> list[Row]:
    """Delete as :func:`delete` does, and return the values of these columns; the first is the key."""
    can_return = connections[rows.db].features.can_return_rows_from_bulk_insert
    statement = shortcut.take(_compile, shortcut.unknown, rows, returning) if can_return else None
    return _read_and_delete(rows, returning) if statement is None else statement.run(rows.db)


def _in_one_statement(rows: QuerySet[Any]) -> int:
    return rows._raw_delete(rows.db) or 0  # noqa: SLF001 - what delete() ends in


def _under_lock(rows: QuerySet[Any]) -> int:
    return len(_read_and_delete(rows, ["pk"]))


def _read_and_delete(rows: QuerySet[Any], returning: Sequence[str]) -> list[Row]:
    """Delete by documented methods: two statements, with a lock on the rows in between."""
    with transaction.atomic(using=rows.db):
        found = list(rows.select_for_update().values_list(*returning))
        those = rows.model._base_manager.using(rows.db)
        for start in range(0, len(found), _AT_ONCE):
            some = those.filter(pk__in=[row[0] for row in found[start : start + _AT_ONCE]])
            shortcut.take(_in_one_statement, _by_key, some)
    return found


def _by_key(rows: QuerySet[Any]) -> int:
    return rows.delete()[0]


def _compile(rows: Any, returning: Sequence[str]) -> Statement:
    """Return the DELETE of a query, with RETURNING."""
    from django.db.models import sql

    compiler: Any = rows.query.chain(sql.DeleteQuery).get_compiler(rows.db)
    try:
        statement, params = compiler.as_sql()
    except EmptyResultSet:
        return Statement()
    meta = compiler.query.get_meta()
    columns = [meta.get_field(name).get_col(meta.db_table) for name in returning]
    names = [column.select_format(compiler, *compiler.compile(column))[0] for column in columns]
    converters = [
        (index, function, expression)
        for index, (functions, expression) in compiler.get_converters(columns).items()
        for function in functions
    ]
    return Statement(f"{statement} RETURNING {', '.join(names)}", params, len(names), converters)
